//! The whole platform, driven from outside: the story of an artifact that becomes traffic, and everything that tries to make
//! it lie. One binary, so that it links once and most tests share one platform.

mod architecture;
mod audit;
mod bad_input;
mod bindings;
mod edges;
mod failover;
mod feed;
mod fields;
mod gates;
mod history;
mod host_drain;
mod index_build;
mod invitations;
mod isolation;
mod kills;
mod lists;
mod live;
mod load;
mod race;
mod rates;
mod rebuild;
mod regions;
mod roles;
mod seeds;
mod sign_in;
mod sleep;
mod statements;
mod story;
mod tokens;
mod unknown_commit;
mod up;
mod variables;
