//! What a kill leaves behind in the log, and hiqlite-wal (0.15.1) takes for something else when it reads it.
//!
//! A file of the log: "HQL_WAL", 1, the first and the last number, where the entries begin and where they end (that byte included), big-endian; then entries: number (8), checksum (4),
//! length (4), content, which begins with the entry's term (8, little-endian).

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const HEADER: usize = 32;
const HEAD: usize = 16;

/// Before hiqlite reads it.
pub fn tidy(data: &Path) -> Result<(), String> {
    let folder = data.join("logs");
    if !folder.join("lock.hql").exists() {
        return Ok(()); // it was stopped, and not killed
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).map_err(|error| error.to_string())?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.extension().is_some_and(|end| end == "wal")).collect();
    files.sort();
    let Some(last) = files.last() else { return Ok(()) };
    tidy_file(last, files.len() > 1).map_err(|error| format!("{}: {error}", last.display()))
}

fn tidy_file(path: &Path, behind_another: bool) -> std::io::Result<()> {
    let bytes = std::fs::read(path)?;
    // It was being made: nothing is in it, and hiqlite-wal would pass it over now and fail to make it later. (The only one may be all that there was: hiqlite-wal refuses it.)
    if behind_another && (bytes.len() < HEADER || bytes[..HEADER].iter().all(|&byte| byte == 0)) {
        eprintln!("wfext-node: {} was being made when the node ended, and is made again", path.display());
        return std::fs::remove_file(path);
    }
    if let Some(at) = taken_back(&bytes) {
        eprintln!("wfext-node: {}: entries behind its end are of an older term: they were taken back, and stay so", path.display());
        let file = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(&vec![0; bytes.len() - at], at as u64)?;
        file.sync_data()?;
    }
    Ok(())
}

/// Where entries begin that a later leader took back, and that hiqlite-wal would count again, as they fit in behind its last one. It overwrites what it takes back only as far as new
/// entries go; and a log that grows an older term behind a newer one may give its vote to a node that lacks what was answered.
fn taken_back(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    if bytes.len() < HEADER || bytes[..8] != *b"HQL_WAL\x01" {
        return None;
    }
    let (begin, end) = (number(24), number(28));
    if begin < HEADER || end <= begin || end >= bytes.len() {
        return None;
    }
    let mut at = begin;
    let mut newest = 0;
    while at + HEAD + 8 <= bytes.len() {
        let length = number(at + 12);
        if length < 8 || at + HEAD + length > bytes.len() {
            break;
        }
        let term = u64::from_le_bytes(bytes[at + HEAD..at + HEAD + 8].try_into().expect("eight bytes"));
        if at > end && term < newest {
            return Some(at);
        }
        newest = newest.max(term);
        at += HEAD + length + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with these terms, of which so many are counted.
    fn file(terms: &[u64], counted: usize) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[..8].copy_from_slice(b"HQL_WAL\x01");
        let mut at = HEADER;
        for (index, term) in terms.iter().enumerate() {
            bytes[at + 7] = index as u8 + 1;
            bytes[at + 15] = 20;
            bytes[at + HEAD..at + HEAD + 8].copy_from_slice(&term.to_le_bytes());
            at += HEAD + 20 + 1;
            if index + 1 == counted {
                bytes[24..28].copy_from_slice(&(HEADER as u32).to_be_bytes());
                bytes[28..32].copy_from_slice(&(at as u32 - 1).to_be_bytes());
            }
        }
        bytes
    }

    #[test]
    fn what_was_taken_back_is_not_counted_again() {
        assert_eq!(taken_back(&file(&[1, 1, 2, 1, 1], 3)), Some(HEADER + 3 * 37));
        assert_eq!(taken_back(&file(&[1, 1, 2, 2, 1], 3)), Some(HEADER + 4 * 37));
        assert_eq!(taken_back(&file(&[1, 1, 2, 2, 3], 3)), None); // written, and not yet counted
        assert_eq!(taken_back(&file(&[1, 1, 2], 3)), None);
        assert_eq!(taken_back(&file(&[], 0)), None);
        assert_eq!(taken_back(&[0; 40]), None);
        assert_eq!(taken_back(b"HQL_WAL\x01"), None);
    }

    #[test]
    fn a_file_that_was_being_made_is_made_again() {
        let folder = std::env::temp_dir().join(format!("wfext-node-log-{}", std::process::id()));
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        for content in [vec![], vec![0; 4096]] {
            let path = logs.join("0000000000000002.wal");
            std::fs::write(logs.join("0000000000000001.wal"), file(&[1, 2, 1], 2)).unwrap();
            std::fs::write(&path, &content).unwrap();
            tidy(&folder).unwrap();
            assert!(path.exists()); // a log that was closed has no such file
            std::fs::write(logs.join("lock.hql"), "").unwrap();
            tidy(&folder).unwrap();
            assert!(!path.exists());
            tidy(&folder).unwrap();
            assert_eq!(taken_back(&std::fs::read(logs.join("0000000000000001.wal")).unwrap()), None);
            std::fs::write(logs.join("0000000000000001.wal"), &content).unwrap();
            tidy(&folder).unwrap();
            assert!(logs.join("0000000000000001.wal").exists()); // which may have had entries
            std::fs::remove_file(logs.join("lock.hql")).unwrap();
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
