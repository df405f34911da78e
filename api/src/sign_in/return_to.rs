//! Where a person goes after signing in: a path of ours, and nothing else. The trap avoided: the open redirect. A browser reads
//! `//host`, `/\host` and their spellings as another site, so what could be read so is refused and never repaired.

use crate::fault::Fault;

/// A path of ours, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo(String);

const RULE: &str = "must be a path of this site, such as /graphiql";
const MOST: usize = 512;

impl ReturnTo {
    /// What a request asks for; the first page when it asks for nothing.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Fault> {
        let text = text.unwrap_or("/");
        if is_local(text) { Ok(Self(text.to_owned())) } else { Err(Fault::bad_input("return_to", RULE)) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let plain = text.len() <= MOST && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\<>\"'`".contains(&byte));
    // Whoever decodes it once more must not come to another answer.
    let odd = ["//", "%2f", "%5c", "%2e", "%0", "%1", "%25", "/.", "@", ":"].iter().any(|word| path.contains(word));
    // These would ask for another sign-in, for ever.
    let again = ["/auth/github/", "/auth/dev/", "/auth/logout"].iter().any(|begin| path.starts_with(begin));
    plain && path.starts_with('/') && !odd && !again
}

#[cfg(test)]
mod tests {
    //! Every spelling of another site that we know of.
    use super::*;

    #[test]
    fn a_path_of_ours_is_taken_as_it_is() {
        for path in ["/", "/graphiql", "/auth/device?user_code=BCDF-GHJK", "/a/b?x=https://evil.test#c"] {
            assert_eq!(ReturnTo::parse(Some(path)).expect(path).as_str(), path);
        }
        assert_eq!(ReturnTo::parse(None).expect("the first page").as_str(), "/");
    }

    #[test]
    fn another_site_is_refused_however_it_is_spelled() {
        for path in [
            "",
            "graphiql",
            "https://evil.test",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/%2fevil.test",
            "/%2F%2Fevil.test",
            "/%5cevil.test",
            "/.//evil.test",
            "/..//evil.test",
            "/%2e%2e//evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "/%09/evil.test",
            "/%0d%0aSet-Cookie:x",
            "/%252fevil.test",
            " //evil.test",
            "/ /evil.test",
            "javascript:alert(1)",
            "/javascript:alert(1)",
            "data:text/html,x",
            "@evil.test",
            "/@evil.test",
            "http:evil.test",
            "/größe",
            "/auth/github/login?return_to=/",
            "/AUTH/dev/login",
            &format!("/{}", "a".repeat(MOST)),
        ] {
            let fault = ReturnTo::parse(Some(path)).expect_err(path);
            assert_eq!(fault.field.as_deref(), Some("return_to"));
        }
    }
}
