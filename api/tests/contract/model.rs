//! A schema as the classifier and the reference see it, read from its text with the library's own parser.

use async_graphql::{
    Positioned,
    parser::{
        parse_schema,
        types::{
            ConstDirective, EnumValueDefinition, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind,
            TypeSystemDefinition,
        },
    },
};
use std::collections::BTreeMap;

/// A schema.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) types: BTreeMap<String, Of>,
}

/// A type.
#[derive(Debug, Default)]
pub(crate) struct Of {
    /// `object`, `interface`, `input`, `enum`, `union`, `scalar`.
    pub(crate) kind: &'static str,
    pub(crate) description: String,
    /// In the schema's order.
    pub(crate) fields: Vec<Field>,
    /// Values of an enum, members of a union, interfaces of an object.
    pub(crate) names: Vec<(String, String)>,
    /// Those of an enum's values that should not be used any more.
    pub(crate) retired: Vec<String>,
}

/// A field, an argument or a field of an input.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) description: String,
    pub(crate) default: Option<String>,
    pub(crate) arguments: Vec<Field>,
    /// Why it should not be used any more.
    pub(crate) deprecated: Option<String>,
}

impl Field {
    /// Whether it may be left out.
    pub(crate) fn is_optional(&self) -> bool {
        self.kind.nullable || self.default.is_some()
    }
}

impl Model {
    pub(crate) fn read(text: &str) -> Self {
        let document = parse_schema(text).expect("it is a schema");
        let mut model = Self::default();
        for definition in document.definitions {
            if let TypeSystemDefinition::Type(of) = definition {
                let of = of.node;
                model.types.insert(of.name.node.to_string(), read(of));
            }
        }
        model
    }

    pub(crate) fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = (&String, &Of)> {
        self.types.iter().filter(move |(_, of)| of.kind == kind)
    }
}

fn read(of: TypeDefinition) -> Of {
    let description = words(of.description);
    let plain = |names: Vec<Positioned<async_graphql::Name>>| {
        names.into_iter().map(|name| (name.node.to_string(), String::new())).collect()
    };
    let mut retired = Vec::new();
    let (kind, fields, names) = match of.kind {
        TypeKind::Scalar => ("scalar", vec![], vec![]),
        TypeKind::Object(object) => {
            ("object", object.fields.into_iter().map(field).collect(), plain(object.implements))
        }
        TypeKind::Interface(face) => ("interface", face.fields.into_iter().map(field).collect(), vec![]),
        TypeKind::Union(union) => ("union", vec![], plain(union.members)),
        TypeKind::InputObject(input) => ("input", input.fields.into_iter().map(value).collect(), vec![]),
        TypeKind::Enum(values) => {
            let values: Vec<_> = values.values.into_iter().map(|value| value.node).collect();
            let going = values.iter().filter(|value| reason(&value.directives).is_some());
            retired.extend(going.map(|value| value.value.node.to_string()));
            let named = |value: EnumValueDefinition| (value.value.node.to_string(), words(value.description));
            ("enum", vec![], values.into_iter().map(named).collect())
        }
    };
    Of { kind, description, fields, names, retired }
}

/// Why something should not be used any more, if it should not.
fn reason(directives: &[Positioned<ConstDirective>]) -> Option<String> {
    let deprecated = directives.iter().find(|directive| directive.node.name.node == "deprecated")?;
    Some(deprecated.node.get_argument("reason").map(|reason| reason.node.to_string()).unwrap_or_default())
}

fn field(field: Positioned<FieldDefinition>) -> Field {
    let field = field.node;
    Field {
        name: field.name.node.to_string(),
        kind: field.ty.node,
        description: words(field.description),
        default: None,
        arguments: field.arguments.into_iter().map(value).collect(),
        deprecated: reason(&field.directives),
    }
}

fn value(value: Positioned<InputValueDefinition>) -> Field {
    let value = value.node;
    Field {
        name: value.name.node.to_string(),
        kind: value.ty.node,
        description: words(value.description),
        default: value.default_value.map(|default| default.node.to_string()),
        arguments: vec![],
        deprecated: reason(&value.directives),
    }
}

fn words(text: Option<Positioned<String>>) -> String {
    text.map(|text| text.node.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
}
