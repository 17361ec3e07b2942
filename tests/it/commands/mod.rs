//! The commands that look at servers, by running the program.

use std::process::{Command, Output};

mod doctor;
mod healthcheck;
mod push;

/// What a command wrote, and its exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Runs the program without any variable of ours.
async fn parapet(arguments: &[&str]) -> Said {
    parapet_with(arguments, &[]).await
}

async fn parapet_with(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    let ended = tokio::task::spawn_blocking(move || command.output());
    let Output { status, stdout, stderr } = ended.await.unwrap().unwrap();
    Said {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}
