//! A real edge over loopback, with a control plane and gates written for the test. One binary, so that it links once. The
//! trap: a test that passes because nothing happened, so every guarantee is shown with the change it must survive.

mod app;
mod boot;
mod bus;
mod client;
mod control;
mod failover;
mod feed;
mod hygiene;
mod serving;
mod sleep;
mod sockets;
mod world;
