//! One tenant and another: by every id that the API takes (S2), and by row-level security alone (S3). The trap avoided: an answer
//! that differs by whether a foreign thing exists.

mod asked;
mod changed;
mod followed;
mod functions;
mod rows;
mod things;
