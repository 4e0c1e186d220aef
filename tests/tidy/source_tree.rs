//! The text files of the repository, read once, with paths relative to its root.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no source: build output, the history, and what a tool keeps for itself.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];
/// The scripts that carry no extension.
const SCRIPTS: [&str; 2] = ["test", ".ci/run"];

/// One text file.
pub struct SourceFile {
    /// Path from the root, with forward slashes.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

impl SourceFile {
    /// Whether the name ends with `.extension`.
    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Whether it is code: Rust, shell or SystemVerilog.
    pub fn is_source(&self) -> bool {
        ["rs", "sh", "sv"].iter().any(|extension| self.has_extension(extension))
            || SCRIPTS.contains(&self.path.as_str())
    }

    /// A finding at a line, which counts from 0 here and from 1 in the message.
    pub fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

/// A package of the workspace.
pub struct Member {
    /// Path of its manifest from the root.
    pub path: String,
    /// Its name.
    pub package: String,
    /// The text of its manifest.
    pub manifest: String,
}

/// Every text file below the root.
pub struct SourceTree {
    /// In the order of their paths.
    pub files: Vec<SourceFile>,
}

/// The folder of the root package.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

impl SourceTree {
    /// Reads the tree; files that are not UTF-8 are left out.
    pub fn read() -> Self {
        let mut files = Vec::new();
        walk(&root(), &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// Text of the file at `path`.
    pub fn text(&self, path: &str) -> &str {
        let file = self.files.iter().find(|file| file.path == path);
        &file.unwrap_or_else(|| panic!("{path} is not in the tree")).text
    }

    /// Whether a file or folder is at `path`.
    pub fn has(&self, path: &str) -> bool {
        root().join(path).exists()
    }

    /// Whether some package has the target `name` in its `folder`, such as an example.
    pub fn has_target(&self, folder: &str, name: &str) -> bool {
        let (file, main) = (format!("{folder}/{name}.rs"), format!("{folder}/{name}/main.rs"));
        self.files.iter().any(|source| [&file, &main].iter().any(|path| is_below(&source.path, path)))
    }

    /// The packages of the workspace, which are all folders with a manifest.
    pub fn members(&self) -> Vec<Member> {
        let manifests = self.files.iter().filter(|file| is_below(&file.path, "Cargo.toml"));
        manifests.map(member).collect()
    }
}

/// Whether `path` is `tail`, or ends with it in some folder.
fn is_below(path: &str, tail: &str) -> bool {
    path.strip_suffix(tail).is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
}

fn member(file: &SourceFile) -> Member {
    let name = file.text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let package = name.unwrap_or_else(|| panic!("{} names no package", file.path)).to_owned();
    Member { path: file.path.clone(), package, manifest: file.text.clone() }
}

fn walk(folder: &Path, files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).expect("a folder of the tree can be read") {
        let path = entry.expect("an entry of the tree can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_symlink() || SKIPPED.contains(&name.as_ref()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root()).expect("the walk starts at the root");
            files.push(SourceFile { path: relative.to_string_lossy().into_owned(), text });
        }
    }
}
