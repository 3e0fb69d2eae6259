use super::listed::{Item, Listed};

/// Reads GML: the nodes and edges of its first graph, with the numbers and strings that stand in them. Lists inside nodes and edges, such as
/// where a node is drawn, are not read.
///
/// # Errors
/// What is wrong and in which line.
///
/// # Reference
/// Himsolt, "GML: A portable Graph File Format", University of Passau, 1997.
pub(super) fn parse(text: &str) -> Result<Listed, String> {
    let mut tokens = Tokens { text, line: 1 };
    while let Some(key) = tokens.key()? {
        match (key, tokens.value()?) {
            ("graph", Value::List) => return graph(&mut tokens),
            (_, Value::List) => tokens.skip_list()?,
            _ => {}
        }
    }
    Err("it holds no `graph [ ... ]`".to_owned())
}

fn graph(tokens: &mut Tokens) -> Result<Listed, String> {
    let mut listed = Listed::default();
    while let Some(key) = tokens.key_in_list()? {
        match (key, tokens.value()?) {
            ("node", Value::List) => {
                let line = tokens.line;
                let mut attributes = item(tokens)?;
                let place = attributes.iter().position(|(name, _)| name == "id");
                let place = place.ok_or_else(|| at(line, "a node has no `id`"))?;
                let (_, id) = attributes.remove(place);
                listed.nodes.push(Item { id, attributes });
            }
            ("edge", Value::List) => {
                let line = tokens.line;
                let mut attributes = item(tokens)?;
                let mut end = |name: &str| {
                    let place = attributes.iter().position(|(known, _)| known == name);
                    let missing = || at(line, &format!("an edge has no `{name}`"));
                    Ok::<_, String>(attributes.remove(place.ok_or_else(missing)?).1)
                };
                listed.ends.push([end("source")?, end("target")?]);
                listed.edges.push(Item {
                    id: String::new(),
                    attributes,
                });
            }
            ("directed", Value::Text(value)) => listed.directed = value == "1",
            (_, Value::List) => tokens.skip_list()?,
            _ => {}
        }
    }
    Ok(listed)
}

/// What stands in a list up to its end.
fn item(tokens: &mut Tokens) -> Result<Vec<(String, String)>, String> {
    let mut attributes = Vec::new();
    while let Some(key) = tokens.key_in_list()? {
        match tokens.value()? {
            Value::List => tokens.skip_list()?,
            Value::Text(value) => attributes.push((key.to_owned(), value)),
        }
    }
    Ok(attributes)
}

fn at(line: usize, problem: &str) -> String {
    format!("line {line}: {problem}")
}

enum Value {
    /// A number as it is written, or a string.
    Text(String),
    /// The beginning of a list.
    List,
}

struct Tokens<'a> {
    /// What is left.
    text: &'a str,
    /// Of what is left, from 1.
    line: usize,
}

impl<'a> Tokens<'a> {
    fn advance(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.text.split_at(bytes);
        self.line += taken.bytes().filter(|b| *b == b'\n').count();
        self.text = rest;
        taken
    }

    /// To the next token, over spaces and comments.
    fn skip(&mut self) {
        loop {
            let spaces = self.text.len() - self.text.trim_start().len();
            self.advance(spaces);
            if !self.text.starts_with('#') {
                return;
            }
            self.advance(self.text.find('\n').unwrap_or(self.text.len()));
        }
    }

    /// A word up to a space or a bracket.
    fn word(&mut self) -> &'a str {
        let end = |c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"');
        self.advance(self.text.find(end).unwrap_or(self.text.len()))
    }

    /// The next key outside of lists; `None` at the end.
    fn key(&mut self) -> Result<Option<&'a str>, String> {
        self.skip();
        if self.text.is_empty() {
            return Ok(None);
        }
        let word = self.word();
        if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Ok(Some(word));
        }
        let found: String = word.chars().chain(self.text.chars()).take(12).collect();
        Err(at(
            self.line,
            &format!("a name should stand here, not `{found}`"),
        ))
    }

    /// The next key of a list; `None` at its end.
    fn key_in_list(&mut self) -> Result<Option<&'a str>, String> {
        self.skip();
        if self.text.starts_with(']') {
            self.advance(1);
            return Ok(None);
        }
        match self.key()? {
            Some(key) => Ok(Some(key)),
            None => Err(at(self.line, "a list has no end")),
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        self.skip();
        if self.text.starts_with('[') {
            self.advance(1);
            return Ok(Value::List);
        }
        if let Some(rest) = self.text.strip_prefix('"') {
            let Some(length) = rest.find('"') else {
                return Err(at(self.line, "a string has no end"));
            };
            let string = unescaped(&rest[..length]);
            self.advance(length + 2);
            return Ok(Value::Text(string));
        }
        match self.word() {
            "" => Err(at(self.line, "a name has no value")),
            word => Ok(Value::Text(word.to_owned())),
        }
    }

    /// To the end of a list whose beginning was read, however deep there are lists in it.
    fn skip_list(&mut self) -> Result<(), String> {
        let mut depth = 1usize;
        while depth > 0 {
            match self.key_in_list()? {
                None => depth -= 1,
                Some(_) => {
                    if let Value::List = self.value()? {
                        depth += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The entities that strings may hold.
fn unescaped(text: &str) -> String {
    let named = [
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    named.iter().fold(text.to_owned(), |text, (entity, sign)| {
        text.replace(entity, sign)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_edges_with_comments_and_lists_inside() {
        let listed = parse(
            "# made by hand\nCreator \"x [y] 1\"\ngraph [\n directed 1\n node [ id 1 label \"a &amp; b\" graphics [ x 1.5 d [ y 2 ] ] \
             size -2e1 ]\n node [id 2]\n edge[source 1 target 2 weight 0.5]\n]\n",
        )
        .unwrap();
        assert!(listed.directed);
        assert_eq!(listed.nodes[0].id, "1");
        let expected = [("label", "a & b"), ("size", "-2e1")];
        let found: Vec<_> = listed.nodes[0].attributes.iter().collect();
        assert_eq!(found.len(), 2);
        for ((name, value), expected) in found.into_iter().zip(expected) {
            assert_eq!((name.as_str(), value.as_str()), expected);
        }
        assert_eq!(listed.ends, [["1".to_owned(), "2".to_owned()]]);
        assert_eq!(listed.edges[0].attributes.len(), 1);
    }

    #[test]
    fn faults_are_told_with_their_line() {
        let deep = format!("graph [ node [ id 1 {}", "a [ ".repeat(200_000));
        for (text, part) in [
            ("", "no `graph"),
            ("graph [\nnode [ id 1 ]", "line 2: a list has no end"),
            ("graph [ node [ label \"x ] ]", "string has no end"),
            (
                "graph [\n\nnode [ label 1 ] ]",
                "line 3: a node has no `id`",
            ),
            ("graph [ edge [ source 1 ] ]", "no `target`"),
            ("graph [ node [ id ] ]", "no value"),
            ("graph [ 7 8 ]", "not `7"),
            (&deep, "no end"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{error}: {part}");
        }
    }
}
