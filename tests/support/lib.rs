//! The harness of the end-to-end tests: it starts the real platform and drives it from outside, as customers and disasters
//! do. Nothing here is a fake of any part; GitHub, which is none, has a double. The trap avoided: a harness that knows the insides and proves only itself.

pub mod artifacts;
pub mod browser;
pub mod chromium;
pub mod database;
pub mod edge;
pub mod engine;
pub mod figure;
pub mod floods;
pub mod github;
pub mod graphql;
pub mod hostile;
pub mod hosts;
pub mod images;
pub mod inputs;
pub mod live;
pub mod platform;
pub mod private_repositories;
pub mod program;
pub mod proxy;
pub mod registry;
pub mod report;
pub mod repository;
pub mod rules;
pub mod scan;
pub mod schema;
pub mod second_api;
pub mod second_region;
pub mod seeding;
pub mod services;
pub mod signals;
pub mod sockets;
pub mod statements;
pub mod story;
pub mod wait;
