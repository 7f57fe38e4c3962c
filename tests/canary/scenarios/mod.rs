//! All that can happen to a call, and to a key.

use std::pin::Pin;

use crate::stage::Place;

mod answers;
mod callers;
pub(crate) mod config;
mod origins;
mod panics;
pub(crate) mod sources;

/// A name, and what is done.
type Scenario = (&'static str, Pin<Box<dyn Future<Output = ()>>>);

macro_rules! named {
    ($module:ident, $name:ident, $place:expr, $scenario:expr) => {
        (
            concat!(stringify!($module), ", ", stringify!($name), ", ", $place),
            Box::pin($scenario) as Pin<Box<dyn Future<Output = ()>>>,
        )
    };
}

/// Of what has a place of its own.
macro_rules! once {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$(named!($module, $name, "once", $module::$name())),*]
    };
}

/// Of what happens over sockets, and in memory.
macro_rules! everywhere {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$(
            named!($module, $name, "over sockets", $module::$name(Place::Sockets)),
            named!($module, $name, "over HTTP/2", $module::$name(Place::Http2)),
            named!($module, $name, "in memory", $module::$name(Place::Memory)),
        )*]
    };
}

pub(crate) fn all() -> Vec<Scenario> {
    let both = everywhere![
        answers::a_message,
        answers::a_stream,
        answers::a_bearer_token,
        answers::a_key_that_was_replaced,
        answers::a_dead_key,
        answers::a_pool_at_its_limits,
        answers::an_overloaded_api,
        answers::an_account_without_money,
        answers::a_reset_before_the_answer,
        answers::a_reset_in_the_middle,
        callers::a_key_that_is_kept,
        callers::a_key_that_is_replaced,
        callers::a_key_that_is_not_wanted,
        callers::at_the_door,
        sources::a_file,
        sources::the_environment,
        sources::a_source_that_fails_later,
        panics::below_with_a_key,
        panics::in_a_source,
    ];
    let only = once![
        sources::what_is_no_key,
        sources::names_that_are_keys,
        origins::nobody_listens,
        origins::another_host,
        origins::a_redirect,
        callers::doors_that_cannot_be_built,
        panics::with_what_a_source_gave,
        config::a_key_where_none_belongs,
    ];
    both.into_iter().chain(only).collect()
}
