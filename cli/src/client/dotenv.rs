//! Files of variables: lines of KEY=VALUE. A reader of our own, for those at hand put variables of the caller's into values
//! and quote the line in their errors. The trap avoided: a secret in an error; only the line's number is said.

/// Why a file is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("line {0}: must be KEY=VALUE")]
    NoAssignment(usize),
    #[error("line {0}: a quoted value must end with its quote, on the same line")]
    OpenQuote(usize),
    #[error("line {0}: the key stands in an earlier line too")]
    Twice(usize),
    #[error("it sets nothing")]
    Nothing,
}

/// Every assignment, in order. Empty lines, lines that begin with `#`, and a leading `export` are passed over; in double quotes
/// `\n`, `\"` and `\\` are what they are elsewhere, in single quotes everything is itself.
pub(super) fn read(text: &str) -> Result<Vec<(String, String)>, Bad> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=').ok_or(Bad::NoAssignment(number))?;
        let key = key.trim().to_owned();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(Bad::NoAssignment(number));
        }
        if all.iter().any(|(earlier, _)| *earlier == key) {
            return Err(Bad::Twice(number));
        }
        all.push((key, value_of(value.trim(), number)?));
    }
    if all.is_empty() { Err(Bad::Nothing) } else { Ok(all) }
}

fn value_of(text: &str, number: usize) -> Result<String, Bad> {
    if let Some(rest) = text.strip_prefix('\'') {
        let inner = rest.strip_suffix('\'').filter(|inner| !inner.contains('\''));
        return inner.map(str::to_owned).ok_or(Bad::OpenQuote(number));
    }
    let Some(rest) = text.strip_prefix('"') else {
        // A remark begins after a blank.
        let end = text.find(" #").unwrap_or(text.len());
        return Ok(text[..end].trim_end().to_owned());
    };
    let (mut value, mut letters) = (String::new(), rest.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '"' if letters.as_str().trim().is_empty() || letters.as_str().trim_start().starts_with('#') => {
                return Ok(value);
            }
            '"' => return Err(Bad::OpenQuote(number)),
            '\\' => match letters.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(other @ ('"' | '\\' | '$')) => value.push(other),
                Some(other) => value.extend(['\\', other]),
                None => return Err(Bad::OpenQuote(number)),
            },
            letter => value.push(letter),
        }
    }
    Err(Bad::OpenQuote(number))
}

#[cfg(test)]
mod tests {
    //! Files as people write them.
    use super::*;

    #[test]
    fn a_file_is_read_as_people_write_it() {
        let text = "# of the shop\n\nexport A=1\nB = two words # a remark\nC=\"a \\\"b\\\"\\nc\" # one\nD='$HOME \\n'\nE=\nF=a#b=c\n";
        let read = read(text).expect("it is one");
        let expected =
            [("A", "1"), ("B", "two words"), ("C", "a \"b\"\nc"), ("D", "$HOME \\n"), ("E", ""), ("F", "a#b=c")];
        assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_never_quoted() {
        assert_eq!(read("A=1\ns3cret"), Err(Bad::NoAssignment(2)));
        assert_eq!(read("A B=1"), Err(Bad::NoAssignment(1)));
        assert_eq!(read("A=\"s3cret"), Err(Bad::OpenQuote(1)));
        assert_eq!(read("A='s3'cret'"), Err(Bad::OpenQuote(1)));
        assert_eq!(read("A=1\nA=2"), Err(Bad::Twice(2)));
        assert_eq!(read("# nothing\n"), Err(Bad::Nothing));
        assert!(!read("A=\"s3cret").expect_err("it is none").to_string().contains("s3cret"));
    }
}
