//! Which calls of the kernel a step may not make: those by which it would get memory that nobody counts. A user namespace of its
//! own, in which it could mount file systems of memory; and large segments of System V, which lie there while no process holds
//! them. The trap avoided: the same call under another number.

use super::Purpose;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::{collections::BTreeMap, io};

/// `CLONE_NEWUSER` of Linux's `sched.h`.
const NEW_USERS: u64 = 0x1000_0000;
/// A page. A namespace has at most 4096 segments, so all of them are 16 MiB; PostgreSQL asks for 56 bytes.
const SEGMENT: u64 = 4096;
/// `ENOSYS`: of `clone3`, whose flags no filter can read, the C library then makes a `clone`.
const NO_SUCH_CALL: u32 = 38;

/// The numbers of `clone`, `unshare`, `clone3` and `shmget`.
#[cfg(target_arch = "x86_64")]
const NUMBERS: [i64; 4] = [56, 272, 435, 29];
/// As every architecture has them that came after.
#[cfg(not(target_arch = "x86_64"))]
const NUMBERS: [i64; 4] = [220, 97, 435, 194];
/// A kernel for x86-64 may know each call by a second number (x32). A program of another architecture is ended.
const SECOND: i64 = 0x4000_0000;

/// What the kernel runs before each call of a step. `buildah` makes namespaces by trade, and is held by what is around it.
fn program(purpose: Purpose) -> io::Result<BpfProgram> {
    let [clone, unshare, clone3, shmget] = NUMBERS;
    let spaces = || argument(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(NEW_USERS), NEW_USERS);
    let mut rules = vec![(shmget, argument(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Gt, SEGMENT)?)];
    if purpose == Purpose::Steps {
        rules.extend([(clone, spaces()?), (unshare, spaces()?), (clone3, Vec::new())]);
    }
    let all = rules.iter().flat_map(|(number, rule)| [(*number, rule.clone()), (*number + SECOND, rule.clone())]);
    let rules: BTreeMap<_, _> = all.collect();
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let refused = SeccompAction::Errno(NO_SUCH_CALL);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture);
    filter.and_then(TryInto::try_into).map_err(io::Error::other)
}

fn argument(at: u8, length: SeccompCmpArgLen, how: SeccompCmpOp, value: u64) -> io::Result<Vec<SeccompRule>> {
    let condition = SeccompCondition::new(at, length, how, value);
    let rule = condition.and_then(|condition| SeccompRule::new(vec![condition]));
    Ok(vec![rule.map_err(io::Error::other)?])
}

/// As `bwrap --seccomp` reads it: the kernel's `struct sock_filter`, one after another.
pub(super) fn filter(purpose: Purpose) -> io::Result<Vec<u8>> {
    let bytes = program(purpose)?.into_iter().flat_map(|instruction| {
        let [code, rest] = [instruction.code.to_ne_bytes(), [instruction.jt, instruction.jf]];
        [code, rest].concat().into_iter().chain(instruction.k.to_ne_bytes())
    });
    Ok(bytes.collect())
}

/// Holds the calling thread, and whatever it starts.
pub(crate) fn hold() -> io::Result<()> {
    seccompiler::apply_filter(&program(Purpose::Steps)?).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    //! Which numbers are looked at; that the kernel then refuses is tried in `tests/builder/limits.rs`.
    use super::*;

    #[test]
    fn every_call_is_refused_under_both_of_its_numbers() {
        for (purpose, refused) in [(Purpose::Steps, &NUMBERS[..]), (Purpose::Images, &NUMBERS[3..])] {
            let program = program(purpose).expect("this architecture is known");
            let looks = |number: i64| program.iter().any(|found| i64::from(found.k) == number);
            for number in NUMBERS {
                let seen = [looks(number), looks(number + SECOND)];
                assert_eq!(seen, [refused.contains(&number); 2], "{purpose:?}: {number}");
            }
        }
    }

    #[test]
    fn the_filter_is_eight_bytes_for_each_instruction() {
        let program = program(Purpose::Steps).expect("this architecture is known");
        let filter = filter(Purpose::Steps).expect("it is written");
        assert_eq!(filter.len(), program.len() * 8);
        let last = program.last().expect("it ends with an answer");
        assert_eq!(filter[filter.len() - 8..][..2], last.code.to_ne_bytes());
        assert_eq!(filter[filter.len() - 4..], last.k.to_ne_bytes());
    }
}
