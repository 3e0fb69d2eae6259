/// One part of the page.
pub(crate) struct Section {
    pub id: &'static str,
    pub title: &'static str,
    /// What the section answers, in plain words.
    pub lead: String,
    pub blocks: Vec<Block>,
}

/// What a section is made of.
pub(crate) enum Block {
    Text(String),
    Picture(Picture),
    Grid(Grid),
    /// Shown when it is opened.
    Folded {
        summary: String,
        grid: Grid,
    },
    Notices(Vec<Notice>),
    List(Vec<String>),
    Code(String),
}

/// A chart.
pub(crate) struct Picture {
    /// What it shows, in one line.
    pub title: String,
    /// The drawing; its texts are escaped.
    pub svg: String,
    /// Class and meaning of each colour.
    pub keys: Vec<(&'static str, String)>,
    /// How to read it.
    pub caption: String,
}

/// A table.
pub(crate) struct Grid {
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
pub(crate) struct Cell {
    pub text: String,
    pub number: bool,
}

/// A finding about the data.
pub(crate) struct Notice {
    pub class: &'static str,
    pub word: &'static str,
    pub message: String,
    pub evidence: String,
    /// What was done, or what a person can do.
    pub remedy: String,
}

pub(crate) fn text(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        number: false,
    }
}

pub(crate) fn number(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        number: true,
    }
}
