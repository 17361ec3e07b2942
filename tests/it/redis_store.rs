//! The Redis store by itself, where the network or Redis fails, and over each kind of connection.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parapet::clock::{ManualClock, Timestamp, WallTime};
use parapet::config::Secret;
use parapet::config::store::{self as settings, RedisPassword};
use parapet::oauth::request_uri::Reference;
use parapet::store::redis::Debt;
use parapet::store::{CallerToken, Continuation, FlowId, ReplayKey, Spend, Store as _, StoreError};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::support::bench::{Bench, config, open, open_by};
use crate::support::middle::Middle;
use crate::support::ports::free_port;
use crate::support::redis::{Make, Redis};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_on_the_way_is_asked_for_again() {
    let redis = Redis::start(&[]).await;
    let middle = Middle::before(redis.port, Duration::ZERO).await;
    let bench = open(config(&format!("redis://127.0.0.1:{}", middle.port)));
    bench.flow(1).await;
    for number in 2..20 {
        middle.lose_the_next_answer();
        bench.put(number).await.unwrap();
        middle.lose_the_next_answer();
        assert!(bench.start(number).await.unwrap(), "the redeem did happen");
        middle.lose_the_next_answer();
        assert_eq!(bench.spend(number).await.unwrap(), Spend::Spent, "so did the completion");
        middle.lose_the_next_answer();
        let (key, until) = (ReplayKey([number; 32]), WallTime::default());
        assert!(bench.store.first_use(key, until, &"a".into()).await.unwrap(), "and the first use");
        assert!(!bench.store.first_use(key, until, &"a".into()).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_replaced_and_the_call_made_over_the_new_one() {
    let redis = Redis::start(&[]).await;
    let middle = Middle::before(redis.port, Duration::ZERO).await;
    let bench = open(config(&format!("redis://127.0.0.1:{}", middle.port)));
    bench.flow(1).await;
    for number in 2..10 {
        middle.cut();
        bench.put(number).await.unwrap();
        middle.cut();
        assert!(bench.start(number).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_keeps_every_promise() {
    let redis = Redis::start(&[]).await;
    let middle = Middle::before(redis.port, Duration::from_millis(100)).await;
    let bench = open(config(&format!("redis://127.0.0.1:{}", middle.port)));
    bench.until_ready().await;
    bench.flow(1).await;
    bench.flow(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_redis_has_forgotten_are_sent_again() {
    let redis = Redis::start(&[]).await;
    let bench = open(config(&redis.url()));
    bench.flow(1).await;
    let _: String = redis.ask(&[b"SCRIPT", b"FLUSH"]).await.unwrap();
    bench.flow(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_somebody_changed_is_not_believed() {
    let redis = Redis::start(&[]).await;
    let bench = open(config(&redis.url()));
    for number in [1, 2] {
        bench.put(number).await.unwrap();
    }
    let dump = redis.dump().await;
    let record = |key: &&(Vec<u8>, Vec<Vec<u8>>)| key.0.ends_with(b"}");
    let records: Vec<_> = dump.iter().filter(record).collect();
    assert_eq!(records.len(), 2);
    for (to, from) in [(0, 1), (1, 0)] {
        let value = &records[from].1[0];
        let _: String = redis.ask(&[b"SET", &records[to].0, value, b"KEEPTTL"]).await.unwrap();
    }
    assert_eq!(bench.start(1).await, Err(StoreError::Corrupt));
    let _: String = redis.ask(&[b"SET", &records[0].0, &records[0].1[0]]).await.unwrap();
    let _: String = redis.ask(&[b"SET", &records[1].0, &records[1].1[0]]).await.unwrap();
    let state = [records[0].0.as_slice(), b":s"].concat();
    let other = [records[1].0.as_slice(), b":s"].concat();
    for key in [state, other] {
        let _: u32 = redis.ask(&[b"HSET", &key, b"r", b"9999999999999"]).await.unwrap();
    }
    assert_eq!(bench.start(2).await, Err(StoreError::Corrupt), "made to last longer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_read_again_at_each_connection() {
    let mut redis = Redis::start(&["--requirepass", "first"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let password = RedisPassword::File(file.clone());
    let username = Some("default".to_owned());
    let bench = open(settings::Redis { password, username, ..config(&redis.url()) });
    bench.flow(1).await;
    std::fs::write(&file, "second").unwrap();
    redis.set_options(&["--requirepass", "second"]);
    redis.restart().await;
    bench.until_ready().await;
    bench.flow(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_spoken_to() {
    // Its usual second port may be one that the system has given to somebody.
    let bus = free_port().to_string();
    let redis = Redis::start(&["--cluster-enabled", "yes", "--cluster-port", &bus]).await;
    let _: String = redis.ask(&[b"CLUSTER", b"ADDSLOTSRANGE", b"0", b"16383"]).await.unwrap();
    let bench = open(config(&format!("redis-cluster://127.0.0.1:{}", redis.port)));
    bench.until_ready().await;
    for number in 0..20 {
        bench.flow(number).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_is_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let _redis = Redis::start(&["--unixsocket", socket.to_str().unwrap()]).await;
    open(config(&format!("unix://{}", socket.display()))).flow(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b233_clocks_of_replicas_that_differ_change_nothing() {
    let now = 1_700_000_000_000;
    let redis = Redis::start_at(Make::Installed, now).await;
    let replica = |milliseconds: u64| {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(milliseconds)));
        open_by(clock, config(&redis.url()))
    };
    let (behind, ahead) = (replica(now - 5_000), replica(now + 5_000));
    for number in [1, 2, 5] {
        behind.put(number).await.unwrap();
    }
    for number in [3, 4, 6] {
        ahead.put(number).await.unwrap();
    }
    redis.set_clock(now + 59_999);
    for number in [1, 3] {
        assert!(ahead.start(number).await.unwrap());
    }
    for number in [2, 4] {
        assert!(behind.start(number).await.unwrap());
    }
    redis.set_clock(now + 62_000);
    for number in [5, 6] {
        assert!(!ahead.start(number).await.unwrap());
        assert!(!behind.start(number).await.unwrap());
    }
}

/// Files of a certificate authority, and of one certificate for both sides.
fn certificates(folder: &Path) -> [String; 3] {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "the authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = own.signed_by(&own_key, &issuer).unwrap();
    let texts = [root.pem(), own.pem(), own_key.serialize_pem()];
    let names = ["ca.pem", "own.pem", "own.key"];
    std::array::from_fn(|number| {
        let path = folder.join(names[number]);
        std::fs::write(&path, &texts[number]).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_a_certificate_of_ones_own_is_spoken() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let [ca, own, key] = certificates(folder.path());
    let port = free_port().to_string();
    let options = ["--tls-port", &port, "--tls-ca-cert-file", &ca];
    let options = [&options[..], &["--tls-cert-file", &own, "--tls-key-file", &key]].concat();
    let _redis = Redis::start(&options).await;
    let tls = |ca: Option<&str>, client: bool| {
        let ca_file = ca.map(Into::into);
        let client = client.then(|| (own.as_str().into(), key.as_str().into()));
        let tls = Some(settings::RedisTls { ca_file, client });
        open(settings::Redis { tls, ..config(&format!("rediss://127.0.0.1:{port}")) })
    };
    let bench = tls(Some(&ca), true);
    bench.until_ready().await;
    bench.flow(1).await;
    assert_eq!(tls(Some(&ca), false).put(2).await, Err(StoreError::Unavailable));
    assert_eq!(tls(None, true).put(2).await, Err(StoreError::Unavailable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sentinel_makes_the_primary_is_used() {
    let mut primary = Redis::start(&[]).await;
    let port = primary.port.to_string();
    let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {port}")]).await;
    let sentinel = Redis::sentinel(primary.port).await;
    let url = format!("redis-sentinel://127.0.0.1:{}/main", sentinel.port);
    let bench = open(config(&url));
    bench.until_ready().await;
    bench.flow(1).await;
    bench.put(2).await.unwrap();
    sentinel.until_safe(&primary, &replica).await;
    primary.kill();
    assert_eq!(bench.put(3).await, Err(StoreError::Unavailable));
    bench.until_ready().await;
    assert!(bench.start(2).await.unwrap(), "the new primary has it");
    bench.flow(3).await;
}

/// The rights that `docs/scaling.md` gives to the gateway's user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rights_are_enough() {
    let redis = Redis::start(&[]).await;
    let page = std::fs::read_to_string("docs/scaling.md").unwrap();
    let (_, rights) = page.split_once("`ACL SETUSER parapet on >… ").unwrap();
    let (rights, _) = rights.split_once('`').unwrap();
    let mut words: Vec<&[u8]> = vec![b"ACL", b"SETUSER", b"parapet", b"on", b">secret"];
    words.extend(rights.split_whitespace().map(str::as_bytes));
    let _: String = redis.ask(&words).await.unwrap();
    let password = RedisPassword::Fixed(Secret::new("secret".to_owned()));
    let username = Some("parapet".to_owned());
    let bench = open(settings::Redis { username, password, ..config(&redis.url()) });
    bench.flow(1).await;
    bench.put(2).await.unwrap();
    assert!(bench.start(2).await.unwrap());
    let (request, handle) = (Reference::from_bytes([2; 32]), Reference::from_bytes([3; 32]));
    let flow = FlowId([2; 12]);
    let continuation = Continuation { path: "/a".into(), query: "b=c".into() };
    bench.store.put_continuation(&request, flow, &handle, continuation).await.unwrap();
    assert!(bench.store.continuation(&request, flow, &handle).await.unwrap().is_some());
    bench.store.undo_start(&request, CallerToken([2; 12])).await.unwrap();
    let until = WallTime::default();
    assert!(bench.store.first_use(ReplayKey([1; 32]), until, &"a".into()).await.unwrap());
    assert!(!bench.store.first_use(ReplayKey([1; 32]), until, &"a".into()).await.unwrap());
    let debt = Debt { who: vec![1], cost: Duration::from_secs(1), most: Duration::from_secs(1) };
    assert_eq!(bench.store.owe(&[debt]).await.unwrap(), [Duration::from_secs(1)]);
    bench.store.ping().await.unwrap();
    assert!(bench.store.is_ready() && bench.store.usage().bytes > 0, "INFO is among them");
}

/// 64 at once: they share the rounds, so the replica that does not answer holds them up once or twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writes_wait_for_replicas_together() {
    let redis = Redis::start(&["--repl-diskless-sync-delay", "0"]).await;
    let of = format!("127.0.0.1 {}", redis.port);
    let replica = Redis::start(&["--replicaof", &of]).await;
    replica.until_synchronised().await;
    let wait = Some(settings::Wait { replicas: 1, timeout: Duration::from_millis(800) });
    let bench = Arc::new(open(settings::Redis { wait, ..config(&redis.url()) }));
    bench.until_ready().await;
    let all = async |first: u8| {
        let puts = (first..first + 64).map(|number| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.put(number).await })
        });
        let puts: Vec<_> = puts.collect();
        let mut kept = 0;
        for put in puts {
            kept += usize::from(put.await.unwrap().is_ok());
        }
        kept
    };
    // A replica counts from its first word on, which comes within a second of the synchronisation.
    let mut number = 200;
    while bench.put(number).await.is_err() {
        number += 1;
        assert!(number < 220, "the replica says nothing");
    }
    assert_eq!(all(0).await, 64);
    let records = async |server: &Redis| {
        let dump = server.dump().await;
        dump.iter().filter(|(key, _)| key.starts_with(b"parapet:{")).count()
    };
    assert_eq!(records(&replica).await, records(&redis).await);
    replica.freeze();
    let begun = Instant::now();
    assert_eq!(all(64).await, 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(bench.spend(0).await, Err(StoreError::Unavailable));
    assert!(bench.start(1).await.unwrap(), "what waits for nobody goes on");
    replica.thaw();
    assert_eq!(all(128).await, 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debts_are_added_up_shrink_and_have_a_bound() {
    for make in [Make::Installed, Make::Redis62, Make::Valkey] {
        let now = 1_700_000_000_000;
        let redis = Redis::start_at(make, now).await;
        let (one, other) = (open(config(&redis.url())), open(config(&redis.url())));
        let second = Duration::from_secs(1);
        let debt = |who: &[u8], cost: Duration| Debt { who: who.to_vec(), cost, most: second * 5 };
        let owe = async |bench: &Bench, who: &[u8], cost: Duration| {
            bench.store.owe(&[debt(b"x", Duration::ZERO), debt(who, cost)]).await.unwrap()
        };
        let about = |debts: Vec<Duration>, wanted: Duration| {
            let difference = debts[1].abs_diff(wanted);
            assert!(difference < Duration::from_millis(5), "{make:?} {debts:?} {wanted:?}");
            assert_eq!(debts[0], Duration::ZERO);
        };
        about(owe(&one, b"a", second).await, second);
        about(owe(&other, b"a", second).await, second * 2);
        about(owe(&other, b"b", second / 3).await, second / 3);
        redis.set_clock(now + 500);
        about(owe(&one, b"a", Duration::ZERO).await, second * 3 / 2);
        about(owe(&one, b"a", second * 9).await, second * 5);
        redis.set_clock(now + 6_000);
        about(owe(&one, b"a", Duration::ZERO).await, Duration::ZERO);
        let keys: Vec<Vec<u8>> = redis.ask(&[b"KEYS", b"parapet:{*}:d:*"]).await.unwrap();
        assert_eq!(keys, Vec::<Vec<u8>>::new(), "they are gone by themselves");
    }
}

/// Under another password the same debtor lies elsewhere: a copy of the store cannot be tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_owes_cannot_be_found_without_the_password() {
    let redis = Redis::start(&[]).await;
    let places = async |password: RedisPassword| {
        let username = Some("default".to_owned());
        let bench = open(settings::Redis { username, password, ..config(&redis.url()) });
        let second = Duration::from_secs(60);
        let debt = Debt { who: b"192.0.2.1".to_vec(), cost: second, most: second };
        bench.store.owe(&[debt]).await.unwrap();
        let keys: Vec<String> = redis.ask(&[b"KEYS", b"parapet:{*}:d:*"]).await.unwrap();
        keys.len()
    };
    let fixed = |text: &str| RedisPassword::Fixed(Secret::new(text.to_owned()));
    let rights: [&[u8]; 6] = [b"ACL", b"SETUSER", b"default", b">one", b">two", b"nopass"];
    let _: String = redis.ask(&rights).await.unwrap();
    assert_eq!(places(fixed("one")).await, 1);
    assert_eq!(places(fixed("two")).await, 2);
    assert_eq!(places(fixed("one")).await, 2);
}
