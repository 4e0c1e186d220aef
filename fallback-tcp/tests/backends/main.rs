//! What a back end has to do, run on each of them and on each kind of io_uring.
//!
//! Where the kernel refuses io_uring its tests say SKIPPED and pass.

mod bounds;
mod bytes;
mod drops;
mod ends;
mod harness;
mod waiting;

use std::time::Duration;

use harness::Variant;
use paxon_tcp::backend::{IoKind, Options};

fn uring() -> Options {
    Options::default()
}

/// Runs every test on one variant.
macro_rules! suite {
    ($name:ident, $kind:expr, $options:expr) => {
        mod $name {
            use super::*;

            suite!(@tests $kind, $options;
                bytes: random_traffic_arrives_in_order_and_whole,
                bytes: two_threads_that_wait_exchange_everything,
                bytes: a_message_larger_than_the_sockets_buffers_is_sent_piece_by_piece,
                bytes: more_arrives_than_there_are_buffers,
                bytes: empty_messages_are_nothing,
                bounds: full_is_refused_whole_and_recovers,
                bounds: peers_that_never_read_keep_nobody_waiting,
                bounds: connections_are_bounded_and_places_are_used_again,
                bounds: a_peer_that_sends_without_end_leaves_room_for_others,
                ends: what_arrived_before_the_end_is_reported_first,
                ends: a_reset_is_an_error,
                ends: a_reset_while_bytes_wait_to_be_sent_is_reported_once,
                ends: a_failure_to_send_ends_the_connection,
                ends: a_removed_connection_is_silent_and_its_key_stale,
                ends: a_connection_in_the_place_of_another_hears_nothing_of_it,
                ends: removal_with_bytes_under_way_ends_the_peer,
                ends: flushed_bytes_survive_the_removal,
                ends: connections_come_and_go_under_load,
                waiting: a_wait_without_news_times_out,
                waiting: what_arrives_ends_a_wait,
                waiting: a_waker_ends_the_wait_under_way_or_the_next,
                waiting: no_wake_is_lost,
                waiting: looking_without_news_reports_nothing,
                waiting: another_thread_takes_over,
                drops: a_back_end_dropped_under_load_touches_no_memory,
                drops: a_back_end_dropped_closes_its_sockets,
            );
        }
    };
    (@tests $kind:expr, $options:expr; $($module:ident: $test:ident,)*) => {
        $(
            #[test]
            fn $test() {
                $crate::$module::$test(&Variant { kind: $kind, options: $options });
            }
        )*
    };
}

suite!(epoll, IoKind::Epoll, Options::default());
suite!(io_uring, IoKind::IoUring, uring());
suite!(io_uring_single_thread, IoKind::IoUring, Options { single_thread: true, ..uring() });
suite!(io_uring_single_receives, IoKind::IoUring, Options { multishot: false, ..uring() });
suite!(
    io_uring_deferred_single_receives,
    IoKind::IoUring,
    Options { multishot: false, single_thread: true, ..uring() }
);
suite!(io_uring_kernel_thread, IoKind::IoUring, Options { kernel_thread: Some(Duration::from_millis(10)), ..uring() });
