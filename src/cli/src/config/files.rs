//! Reading files, bounded: the configuration, and the policy folder with the folders in it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use policy::file::{FILE_BYTES_MAX, SourceFile};

use super::ConfigError;

/// The most files that a policy folder may hold, those of the folders in it included.
const POLICY_FILES_MAX: usize = 10_000;
/// The most folders that a policy folder may hold.
const POLICY_FOLDERS_MAX: usize = 10_000;

/// Reads every `*.yaml` and `*.yml` of a folder and of the folders in it, sorted by path. Folders whose name begins with
/// a dot are left out: they belong to tools (`.git`, or the `..data` of a mounted Kubernetes volume).
///
/// # Errors
/// A folder or a file cannot be read, there is too much of it, or a link leads back to where it is.
pub fn read_folder(folder: &Path) -> Result<Vec<SourceFile>, ConfigError> {
    let mut found = Found { top: folder, paths: Vec::new(), folders: 0 };
    found.look_into(folder, &mut Vec::new())?;
    found.paths.sort();
    found.paths.iter().map(|path| read_file(path)).collect()
}

/// Policy files found so far.
struct Found<'a> {
    top: &'a Path,
    paths: Vec<PathBuf>,
    folders: usize,
}

impl Found<'_> {
    /// `above` holds the folders that this one is in, without links.
    fn look_into(&mut self, folder: &Path, above: &mut Vec<PathBuf>) -> Result<(), ConfigError> {
        let place = fs::canonicalize(folder).map_err(unreadable(folder))?;
        if above.contains(&place) {
            return Err(refused(folder, "is a link back to a folder that it is in"));
        }
        self.folders += 1;
        if self.folders > POLICY_FOLDERS_MAX {
            return Err(refused(self.top, "holds more than 10,000 folders"));
        }
        above.push(place);
        for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            if path.is_dir() {
                if !is_hidden(&path) {
                    self.look_into(&path, above)?;
                }
            } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                self.paths.push(path);
            }
            if self.paths.len() > POLICY_FILES_MAX {
                return Err(refused(self.top, "holds more than 10,000 policy files"));
            }
        }
        above.pop();
        Ok(())
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

pub(super) fn read_file(path: &Path) -> Result<SourceFile, ConfigError> {
    let file = fs::File::open(path).map_err(unreadable(path))?;
    let mut bytes = Vec::new();
    // The bound holds for what is read, not for what the file system says: a device has no length.
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable(path))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(refused(path, "is larger than 64 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused(path, "is not UTF-8 text"))?;
    Ok(SourceFile { name: path.display().to_string(), text })
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> ConfigError {
    move |source| ConfigError::Unreadable { path: path.to_owned(), source }
}

fn refused(path: &Path, problem: &'static str) -> ConfigError {
    ConfigError::Refused { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A policy folder with these files, each with its own name as text.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir) -> Vec<String> {
        let files = read_folder(folder.path()).unwrap();
        let inside = |file: &SourceFile| {
            Path::new(&file.name).strip_prefix(folder.path()).unwrap().display().to_string()
        };
        assert!(files.iter().all(|file| inside(file) == file.text));
        files.iter().map(inside).collect()
    }

    #[test]
    fn folders_in_the_folder_are_read_in_the_order_of_paths() {
        let made =
            ["b.yaml", "a/z.yml", "teams/shop/web.yaml", "teams/shop.yaml", "a.yaml", "teams/pay/x.yaml"];
        let sorted =
            ["a/z.yml", "a.yaml", "b.yaml", "teams/pay/x.yaml", "teams/shop/web.yaml", "teams/shop.yaml"];
        assert_eq!(names(&folder(&made)), sorted);
    }

    #[test]
    fn hidden_folders_and_other_files_are_left_out() {
        let made =
            ["a.yaml", ".git/b.yaml", "c/.old/d.yaml", "c/README.md", "c/e.yaml.bak", "yaml", "c/f.YAML"];
        assert_eq!(names(&folder(&made)), ["a.yaml"]);
    }

    #[test]
    fn a_folder_may_look_like_a_file() {
        assert_eq!(names(&folder(&["a.yaml/b.yaml"])), ["a.yaml/b.yaml"]);
    }

    /// A mounted Kubernetes volume: links to files below a hidden link, which is itself left out.
    #[test]
    fn links_are_followed() {
        let folder = folder(&["..2026/a.yaml", "b/c.yaml"]);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
        link("..2026", "..data");
        link("..data/a.yaml", "a.yaml");
        link("b", "linked");
        let read: Vec<String> =
            read_folder(folder.path()).unwrap().into_iter().map(|file| file.text).collect();
        assert_eq!(read, ["..2026/a.yaml", "b/c.yaml", "b/c.yaml"]);
    }

    fn check(folder: &tempfile::TempDir, expected: &str) {
        assert_eq!(read_folder(folder.path()).unwrap_err().to_string(), expected);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = folder(&["a/b.yaml"]);
        let below = |name: &str| folder.path().join(name).display().to_string();
        fs::write(below("a/c.yaml"), [0xff]).unwrap();
        check(&folder, &format!("`{}` is not UTF-8 text", below("a/c.yaml")));
        fs::remove_file(below("a/c.yaml")).unwrap();
        std::os::unix::fs::symlink("nowhere", below("a/d.yaml")).unwrap();
        check(&folder, &format!("cannot read `{}`", below("a/d.yaml")));
        fs::remove_file(below("a/d.yaml")).unwrap();
        std::os::unix::fs::symlink("..", below("a/up")).unwrap();
        check(&folder, &format!("`{}` is a link back to a folder that it is in", below("a/up")));
    }
}
