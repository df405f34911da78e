//! The checked-in schema, as far as tests go by it: its mutations, their arguments, the fields of its inputs. The trap
//! avoided: a mutation that nobody tested because nobody remembered it.

use crate::program;
use std::{collections::BTreeMap, fs, sync::OnceLock};

/// The schema.
#[derive(Debug)]
pub struct Schema {
    /// In the schema's order.
    pub mutations: Vec<Mutation>,
    /// Fields of every input object.
    pub inputs: BTreeMap<String, Vec<Field>>,
    /// Fields of every object, the queries among them.
    pub objects: BTreeMap<String, Vec<Output>>,
    /// Members of every union.
    pub unions: BTreeMap<String, Vec<String>>,
}

/// A field of an object.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What it takes.
    pub arguments: Vec<Field>,
    /// What it answers, without lists and marks.
    pub answer: String,
}

/// A mutation.
#[derive(Debug)]
pub struct Mutation {
    /// Its name.
    pub name: String,
    /// What it takes.
    pub arguments: Vec<Field>,
    /// What it answers.
    pub answer: String,
}

/// An argument, or a field of an input object.
#[derive(Clone, Debug)]
pub struct Field {
    /// The input object it is of; empty for an argument.
    pub of: String,
    /// Its name.
    pub name: String,
    /// Such as `ID!`.
    pub kind: String,
    /// Whether it may be left out.
    pub optional: bool,
}

impl Schema {
    /// Read once.
    pub fn checked_in() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| {
            let path = program::root().join("api/schema.graphql");
            Self::parse(&fs::read_to_string(path).expect("the schema is checked in"))
        })
    }

    /// A mutation that there is.
    pub fn mutation(&self, name: &str) -> &Mutation {
        self.mutations.iter().find(|mutation| mutation.name == name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Everything a mutation takes: the fields of its input, or its arguments when it has none.
    pub fn fields(&self, mutation: &Mutation) -> Vec<Field> {
        let input = mutation.arguments[0].kind.trim_end_matches('!');
        self.inputs.get(input).unwrap_or(&mutation.arguments).clone()
    }

    /// The fields of an argument that is an input object, or a list of them.
    pub fn input(&self, argument: &Field) -> Option<&[Field]> {
        self.inputs.get(argument.kind.trim_matches(['[', ']', '!'])).map(Vec::as_slice)
    }

    /// Whether something of this type has fields of its own.
    pub fn is_composite(&self, answer: &str) -> bool {
        answer == "Node" || self.objects.contains_key(answer) || self.unions.contains_key(answer)
    }

    fn parse(text: &str) -> Self {
        let (mut mutations, mut inputs, mut objects) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for block in plain(text).split("\n}") {
            let Some((head, body)) = block.trim().split_once('{') else { continue };
            let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
            // Unions stand between without a block of their own.
            let head = head.trim().lines().next_back().unwrap_or_default();
            match head.split_whitespace().collect::<Vec<_>>()[..] {
                ["type", "Mutation"] => mutations = lines.map(mutation).collect(),
                ["type", name, ..] => {
                    objects.insert(name.to_owned(), outputs(body));
                }
                ["input", name] => {
                    let of = |line| Field { of: name.to_owned(), ..field(line) };
                    inputs.insert(name.to_owned(), lines.map(of).collect());
                }
                _ => {}
            }
        }
        Self { mutations, inputs, objects, unions: unions(text) }
    }
}

/// Each stands on a line of its own.
fn unions(text: &str) -> BTreeMap<String, Vec<String>> {
    let text = plain(text);
    let lines = text.lines().filter_map(|line| line.strip_prefix("union ")?.split_once(" = "));
    lines.map(|(name, members)| (name.to_owned(), members.split(" | ").map(str::to_owned).collect())).collect()
}

/// Without descriptions.
fn plain(text: &str) -> String {
    text.split("\"\"\"").step_by(2).collect()
}

/// Arguments with descriptions stand on lines of their own.
fn outputs(body: &str) -> Vec<Output> {
    let mut outputs = Vec::new();
    let mut rest = body.trim();
    while !rest.is_empty() {
        let head = rest.find([':', '(']).expect("every field has a type");
        let (name, tail) = rest.split_at(head);
        let (arguments, tail) = match tail.strip_prefix('(') {
            Some(tail) => tail.split_once(')').expect("brackets are closed"),
            None => ("", tail),
        };
        let (answer, tail) = tail.split_once('\n').unwrap_or((tail, ""));
        let arguments = arguments.split([',', '\n']).map(str::trim).filter(|one| !one.is_empty()).map(field).collect();
        let answer = answer.split('@').next().unwrap_or_default().replace([':', '[', ']', '!'], "").trim().to_owned();
        outputs.push(Output { name: name.trim().to_owned(), arguments, answer });
        rest = tail.trim();
    }
    outputs
}

fn mutation(line: &str) -> Mutation {
    let (name, rest) = line.split_once('(').expect("every mutation takes something");
    let (arguments, answer) = rest.split_once(')').expect("brackets are closed");
    Mutation {
        name: name.to_owned(),
        arguments: arguments.split(", ").map(field).collect(),
        answer: answer.trim_start_matches(": ").to_owned(),
    }
}

fn field(line: &str) -> Field {
    let (name, kind) = line.split_once(": ").expect("every field has a type");
    let (kind, default) = kind.split_once(" = ").map_or((kind, None), |(kind, default)| (kind, Some(default)));
    let of = String::new();
    Field { of, name: name.to_owned(), kind: kind.to_owned(), optional: default.is_some() || !kind.ends_with('!') }
}

#[cfg(test)]
mod tests {
    //! What is read is what is written there.
    use super::*;

    #[test]
    fn mutations_and_inputs_are_read_without_their_descriptions() {
        let schema = Schema::parse(
            "type Mutation {\n\t\"\"\"\n\tOpens: { it }\n\t\"\"\"\n\topen(input: OpenInput!): OpenPayload!\n\tend(id: String!): Boolean!\n}\ninput OpenInput {\n\tid: ID!\n\twhy: String\n\tdryRun: Boolean! = false\n}\n",
        );
        let names: Vec<_> = schema.mutations.iter().map(|mutation| mutation.name.as_str()).collect();
        assert_eq!(names, ["open", "end"]);
        let fields = schema.fields(schema.mutation("open"));
        let optional: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.optional)).collect();
        assert_eq!(optional, [("id", false), ("why", true), ("dryRun", true)]);
        assert_eq!(schema.fields(schema.mutation("end"))[0].kind, "String!");
    }

    #[test]
    fn unions_are_read_with_their_members() {
        let schema = Schema::parse("\"\"\"\nOne = of\n\"\"\"\nunion Item = App | Other\n\ntype App {\n\tid: ID!\n}\n");
        assert_eq!(schema.unions["Item"], ["App", "Other"]);
        assert!(schema.is_composite("Item") && schema.is_composite("App") && !schema.is_composite("ID"));
    }

    #[test]
    fn objects_are_read_with_arguments_on_one_line_and_on_many() {
        let schema = Schema::parse(
            "type App implements Node {\n\tid: ID!\n\tall(first: Int, after: String): [App!]!\n\tsome(\n\t\t\"\"\"\n\t\tWait.\n\t\t\"\"\"\n\t\tat: String, of: ID! = 1\n\t): App\n\tend: Int! @deprecated\n}\n",
        );
        let app = &schema.objects["App"];
        let read: Vec<_> =
            app.iter().map(|one| (one.name.as_str(), one.arguments.len(), one.answer.as_str())).collect();
        assert_eq!(read, [("id", 0, "ID"), ("all", 2, "App"), ("some", 2, "App"), ("end", 0, "Int")]);
    }
}
