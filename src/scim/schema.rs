//! What an attribute, a schema and a resource type are (RFC 7643 §2, §6, §7), and how a name finds its attribute.
//!
//! Owns the description language and case-insensitive lookups. Refuses definitions (those are in
//! `schemas`) and values. The admin API describes its own records with the same types.

use crate::directory::query::AttrPath;

/// The data type of an attribute (RFC 7643 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// §2.3.1
    String,
    /// §2.3.2
    Boolean,
    /// §2.3.3
    Decimal,
    /// §2.3.4
    Integer,
    /// §2.3.5
    DateTime,
    /// §2.3.6
    Binary,
    /// §2.3.7
    Reference,
    /// §2.3.8
    Complex,
}

/// Who may change an attribute, and when (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// Only the server.
    ReadOnly,
    /// Clients, at any time.
    ReadWrite,
    /// Clients, once.
    Immutable,
    /// Clients; never shown again.
    WriteOnly,
}

/// When an attribute is in an answer (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// In every answer, even if excluded.
    Always,
    /// In no answer.
    Never,
    /// Unless the client chose others.
    Default,
    /// Only when the client named it.
    Request,
}

/// How far a value must be unique (RFC 7643 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniqueness {
    /// Not at all.
    None,
    /// Within this service.
    Server,
    /// Everywhere.
    Global,
}

/// One attribute or sub-attribute (RFC 7643 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The spelling that answers use.
    pub name: &'static str,
    /// The data type.
    pub kind: AttributeType,
    /// Whether the value is an array.
    pub multi_valued: bool,
    /// For people.
    pub description: &'static str,
    /// Whether a resource must have it.
    pub required: bool,
    /// Usual values; listed, not enforced.
    pub canonical_values: &'static [&'static str],
    /// Whether texts compare with case.
    pub case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// When it is in an answer.
    pub returned: Returned,
    /// How far it must be unique.
    pub uniqueness: Uniqueness,
    /// What a reference may point to.
    pub reference_types: &'static [&'static str],
    /// The parts of a complex attribute.
    pub sub_attributes: Vec<Self>,
}

impl Attribute {
    /// An optional, single-valued, readWrite attribute; references and binaries compare with case.
    #[must_use]
    pub fn new(kind: AttributeType, name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            kind,
            multi_valued: false,
            description,
            required: false,
            canonical_values: &[],
            case_exact: matches!(kind, AttributeType::Reference | AttributeType::Binary),
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            reference_types: &[],
            sub_attributes: Vec::new(),
        }
    }

    /// A string attribute.
    #[must_use]
    pub fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(AttributeType::String, name, description)
    }

    /// A boolean attribute.
    #[must_use]
    pub fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::new(AttributeType::Boolean, name, description)
    }

    /// A reference attribute.
    #[must_use]
    pub fn reference(name: &'static str, to: &'static [&'static str], description: &'static str) -> Self {
        Self { reference_types: to, ..Self::new(AttributeType::Reference, name, description) }
    }

    /// A complex attribute with these parts.
    #[must_use]
    pub fn complex(name: &'static str, description: &'static str, parts: Vec<Self>) -> Self {
        Self { sub_attributes: parts, ..Self::new(AttributeType::Complex, name, description) }
    }

    /// The same, as a list.
    #[must_use]
    pub fn many(self) -> Self {
        Self { multi_valued: true, ..self }
    }

    /// The same, required.
    #[must_use]
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same, compared with case.
    #[must_use]
    pub fn case_exact(self) -> Self {
        Self { case_exact: true, ..self }
    }

    /// The same, with another mutability.
    #[must_use]
    pub fn mutability(self, mutability: Mutability) -> Self {
        Self { mutability, ..self }
    }

    /// The same, readOnly in all its parts.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        for part in &mut self.sub_attributes {
            part.mutability = Mutability::ReadOnly;
        }
        self.mutability(Mutability::ReadOnly)
    }

    /// The same, returned at other times.
    #[must_use]
    pub fn returned(self, returned: Returned) -> Self {
        Self { returned, ..self }
    }

    /// The same, unique so far.
    #[must_use]
    pub fn unique(self, uniqueness: Uniqueness) -> Self {
        Self { uniqueness, ..self }
    }

    /// The same, with usual values.
    #[must_use]
    pub fn usually(self, canonical_values: &'static [&'static str]) -> Self {
        Self { canonical_values, ..self }
    }

    /// The part of that name, in any case (RFC 7643 §2.1).
    #[must_use]
    pub fn sub_attribute(&self, name: &str) -> Option<&Self> {
        find(&self.sub_attributes, name)
    }
}

/// A named set of attributes (RFC 7643 §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The URN.
    pub id: &'static str,
    /// The short name.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// The attributes; the common ones (`id`, `meta` …) are in no schema (RFC 7643 §3.1).
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// The attribute of that name, in any case (RFC 7643 §2.1).
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// A schema that a resource type may carry besides its own (RFC 7643 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The schema.
    pub schema: Schema,
    /// Whether every resource must have it.
    pub required: bool,
}

/// A kind of resource (RFC 7643 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceType {
    /// The name, also its id and `meta.resourceType`.
    pub name: &'static str,
    /// The path below the base URL, with a leading slash.
    pub endpoint: &'static str,
    /// For people.
    pub description: &'static str,
    /// Attributes every resource has: `schemas`, `id`, `externalId`, `meta` (RFC 7643 §3.1).
    pub common: Vec<Attribute>,
    /// The base schema.
    pub base: Schema,
    /// The extensions.
    pub extensions: Vec<Extension>,
}

/// What a path means for a resource type.
#[derive(Debug, Clone, Copy)]
pub enum Target<'s> {
    /// The resource itself: the path was the base URN.
    Base,
    /// All of an extension: the path was its URN.
    Extension(&'s Schema),
    /// An attribute.
    Attribute(Location<'s>),
}

/// An attribute and where it sits in a resource.
#[derive(Debug, Clone, Copy)]
pub struct Location<'s> {
    /// The extension that holds it; `None` for the resource itself.
    pub extension: Option<&'s Schema>,
    /// The attribute.
    pub attribute: &'s Attribute,
    /// The part the path named.
    pub sub: Option<&'s Attribute>,
}

impl ResourceType {
    /// What `path` means here; `None` when nothing of that name is known.
    ///
    /// Without a URN the base is searched first, then the extensions: clients leave the URN out (RFC 7644 §3.10).
    #[must_use]
    pub fn resolve(&self, path: &AttrPath) -> Option<Target<'_>> {
        if let Some(urn) = &path.urn {
            if path.sub.is_none()
                && let Some(schema) = self.schema_named(urn, &path.name)
            {
                return Some(schema);
            }
            if urn.eq_ignore_ascii_case(self.base.id) {
                return locate(None, self.own_attribute(&path.name)?, path);
            }
            let schema = self.extension(urn)?;
            return locate(Some(schema), schema.attribute(&path.name)?, path);
        }
        if let Some(attribute) = self.own_attribute(&path.name) {
            return locate(None, attribute, path);
        }
        self.extensions.iter().find_map(|extension| {
            let attribute = extension.schema.attribute(&path.name)?;
            locate(Some(&extension.schema), attribute, path)
        })
    }

    /// The common or base attribute of that name, in any case.
    #[must_use]
    pub fn own_attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.common, name).or_else(|| self.base.attribute(name))
    }

    /// The extension with that URN, in any case.
    #[must_use]
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        let mut schemas = self.extensions.iter().map(|extension| &extension.schema);
        schemas.find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// Whether `urn` is the base schema or an extension of this type, in any case.
    #[must_use]
    pub fn has_schema(&self, urn: &str) -> bool {
        self.base.id.eq_ignore_ascii_case(urn) || self.extension(urn).is_some()
    }

    /// `urn:…:2.0:User` reads like attribute `User` of `urn:…:2.0`; here it is a schema's own URN.
    fn schema_named(&self, urn: &str, last: &str) -> Option<Target<'_>> {
        let whole = |id: &str| {
            id.rsplit_once(':')
                .is_some_and(|(front, back)| front.eq_ignore_ascii_case(urn) && back.eq_ignore_ascii_case(last))
        };
        if whole(self.base.id) {
            return Some(Target::Base);
        }
        let mut schemas = self.extensions.iter().map(|extension| &extension.schema);
        schemas.find(|schema| whole(schema.id)).map(Target::Extension)
    }
}

fn locate<'s>(extension: Option<&'s Schema>, attribute: &'s Attribute, path: &AttrPath) -> Option<Target<'s>> {
    let sub = match &path.sub {
        Some(name) => Some(attribute.sub_attribute(name)?),
        None => None,
    };
    Some(Target::Attribute(Location { extension, attribute, sub }))
}

fn find<'s>(attributes: &'s [Attribute], name: &str) -> Option<&'s Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

macro_rules! words {
    ($kind:ty { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $kind {
            /// The word on the wire (RFC 7643 §7).
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The kind that a word on the wire means, in any case.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(word))
            }
        }
    };
}

words!(AttributeType {
    String => "string", Boolean => "boolean", Decimal => "decimal", Integer => "integer",
    DateTime => "dateTime", Binary => "binary", Reference => "reference", Complex => "complex",
});
words!(Mutability { ReadOnly => "readOnly", ReadWrite => "readWrite", Immutable => "immutable", WriteOnly => "writeOnly" });
words!(Returned { Always => "always", Never => "never", Default => "default", Request => "request" });
words!(Uniqueness { None => "none", Server => "server", Global => "global" });
