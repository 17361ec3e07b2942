//! What ships the program: image, compose file, Kubernetes manifests, chart, units, Debian package. All
//! is judged by the tools that will read it, as far as they work without an engine and a cluster, and
//! every configuration in it by the program itself.

mod chart;
mod compose;
mod copies;
mod image;
mod kubernetes;
mod package;
mod pods;
mod systemd;
mod tools;
