//! Positions are ordered as a whole, have one spelling, and a foreign cursor is told so.

use super::*;

const OURS: LogIncarnation = LogIncarnation { system: 7_400_000_000_000_000_000, timeline: 1, era: 2 };

fn at(era: u32, tx: u64, pos: u64) -> Position {
    Position { era, tx, pos }
}

#[test]
fn a_later_transaction_comes_later_even_with_a_smaller_pos() {
    assert!(at(1, 9, 5) < at(1, 10, 4));
    assert!(at(1, 10, 9) < at(2, 3, 1));
    assert!(Position::START < at(1, 0, 0));
}

#[test]
fn a_cursor_is_read_back_as_it_was_written() {
    let cursor = Cursor { incarnation: OURS, position: at(2, u64::MAX, 17) };
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
    assert_eq!(cursor.continue_in(OURS), Ok(cursor.position));
}

#[test]
fn a_cursor_of_another_life_of_the_log_means_resync() {
    for theirs in [
        LogIncarnation { system: 1, ..OURS },
        LogIncarnation { timeline: 2, ..OURS },
        LogIncarnation { era: 1, ..OURS },
    ] {
        let cursor = Cursor { incarnation: theirs, position: at(1, 1, 1) };
        assert_eq!(cursor.continue_in(OURS), Err(CursorError::Resync { theirs, ours: OURS }));
    }
}

#[test]
fn other_texts_are_not_cursors() {
    for text in [
        "",
        "~",
        "1.1.1",
        "1.1.1~",
        "1.1.1~1-2",
        "1.1~1-2-3",
        "1.1.1~1-2-3-4",
        "1.1.1~+1-2-3",
        "1.1.1~01-2-3",
        "1.1.1~-1-2-3",
    ] {
        assert_eq!(text.parse::<Cursor>(), Err(CursorError::Malformed), "{text}");
    }
}
