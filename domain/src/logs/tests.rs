//! Whose lines they are, and what they are called where they are kept.

use super::*;

// What a program writes to a pipe in one piece is one line, and a chunk holds many of the longest.
const _: () = assert!(LONGEST_LINE >= 4_096 && CHUNK_BYTES >= 8 * LONGEST_LINE);

#[test]
fn an_output_is_called_the_same_in_a_chunk_and_in_words() {
    for stream in [LogStream::Stdout, LogStream::Stderr, LogStream::Rhone] {
        assert_eq!(serde_json::to_value(stream).expect("JSON"), stream.as_str());
    }
    for source in [LogSource::Build, LogSource::Runtime] {
        assert_eq!(serde_json::to_value(source).expect("JSON"), source.as_str());
    }
}

#[test]
fn an_allocation_owns_what_it_prints_and_an_operation_what_it_builds() {
    let id = uuid::Uuid::from_u128;
    let build = LogOwner::build(WorkspaceId(id(1)), AppId(id(2)), OperationId(id(3)));
    let operation = OperationId(id(3));
    assert_eq!(build.key(), Some((LogSource::Build, operation.0)));
    let allocation = AllocationId(id(4));
    let runtime = LogOwner { allocation: Some(allocation), ..build };
    assert_eq!(runtime.key(), Some((LogSource::Runtime, allocation.0)));
    assert_eq!(LogOwner { operation: None, ..build }.key(), None);
}
