//! `digest` and `alert`: what changed, told once, to real programs and servers.

mod year;
