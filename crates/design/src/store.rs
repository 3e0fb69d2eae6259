use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection, Row};

use crate::design::canonical_value;
use crate::{Design, DesignError, JobRecord, JobResult};

/// The format written here. Grows when the tables change.
const FORMAT: i64 = 1;

/// `Cndr` as big-endian bytes: marks the file as ours in SQLite's header.
const APPLICATION: i64 = 0x436e_6472;

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE studies (
    name TEXT PRIMARY KEY NOT NULL,
    format INTEGER NOT NULL,
    settings TEXT NOT NULL
) STRICT;
CREATE TABLE jobs (
    study TEXT NOT NULL REFERENCES studies (name),
    job INTEGER NOT NULL,
    trial INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    design TEXT NOT NULL,
    origin TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('scored', 'failed')),
    loss REAL,
    score REAL,
    parameters INTEGER,
    seconds REAL NOT NULL,
    reason TEXT,
    detail TEXT,
    PRIMARY KEY (study, job)
) STRICT;
";

/// Keeps the finished jobs of studies in a SQLite file.
///
/// A job is inserted once; its record is on the disk when [`Store::record`] returns (write-ahead log,
/// flushed at each commit), so that neither a killed process nor a power cut loses it. One thread
/// writes; other processes may read at the same time. Not for use from asynchronous code, where every
/// method returns [`DesignError::InsideRuntime`].
pub struct Store {
    path: PathBuf,
    connection: SqliteConnection,
    runtime: tokio::runtime::Runtime,
}

impl Store {
    /// Opens the store at `path`, or creates it there. A file that is not a store is left as it is.
    ///
    /// # Errors
    /// When the file cannot be opened, is not a store, is damaged, or was written by a later version.
    pub fn open(path: &Path) -> Result<Store, DesignError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        Store::connect(path.to_owned(), options)
    }

    /// A store that is lost when it is dropped.
    ///
    /// # Errors
    /// When SQLite cannot start.
    pub fn in_memory() -> Result<Store, DesignError> {
        let options = SqliteConnectOptions::new().in_memory(true);
        Store::connect(PathBuf::from(":memory:"), options)
    }

    fn connect(path: PathBuf, options: SqliteConnectOptions) -> Result<Store, DesignError> {
        refuse_inside_runtime(&path)?;
        let cannot_open =
            |source: Box<dyn std::error::Error + Send + Sync>| DesignError::CannotOpen {
                path: path.clone(),
                source,
            };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| cannot_open(error.into()))?;
        let options = options.busy_timeout(PATIENCE).disable_statement_logging();
        let connection = runtime
            .block_on(options.connect())
            .map_err(|error| match Trouble::of(&error) {
                Trouble::NotADatabase => not_a_store(&path, "it is not an SQLite file"),
                Trouble::Corrupt => damaged(&path, error.to_string()),
                Trouble::Other => cannot_open(error.into()),
            })?;
        let mut store = Store {
            path,
            connection,
            runtime,
        };
        store.prepare()?;
        Ok(store)
    }

    /// Looks before it writes: a foreign file must not be changed.
    fn prepare(&mut self) -> Result<(), DesignError> {
        // In this order: tables and mark are created together, so whoever sees tables of another
        // process that creates this store at this moment sees its mark too.
        let tables = self.number("SELECT count(*) FROM sqlite_schema")?;
        let application = self.number("PRAGMA application_id")?;
        let format = self.number("PRAGMA user_version")?;
        match application {
            APPLICATION if format > FORMAT => {
                return Err(DesignError::NewerFormat {
                    path: self.path.clone(),
                    found: format,
                    supported: FORMAT,
                });
            }
            APPLICATION => self.check_integrity()?,
            0 if tables == 0 => {}
            _ => {
                return Err(not_a_store(
                    &self.path,
                    "it is the database of another program",
                ));
            }
        }
        self.write_ahead()?;
        self.execute("PRAGMA synchronous = FULL")?;
        if application == 0 {
            self.create()?;
        }
        Ok(())
    }

    fn check_integrity(&mut self) -> Result<(), DesignError> {
        let query = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)");
        let verdict = self.block(|connection| query.fetch_one(connection), "read")?;
        if verdict == "ok" {
            Ok(())
        } else {
            Err(damaged(&self.path, verdict))
        }
    }

    /// Creates the tables and marks the file, all or nothing.
    fn create(&mut self) -> Result<(), DesignError> {
        self.block(
            async |connection| {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                // Another process may have been faster.
                let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
                    .fetch_one(&mut *transaction)
                    .await?;
                if tables == 0 {
                    sqlx::raw_sql(TABLES).execute(&mut *transaction).await?;
                    let mark = format!(
                        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT};"
                    );
                    sqlx::raw_sql(sqlx::AssertSqlSafe(mark))
                        .execute(&mut *transaction)
                        .await?;
                }
                transaction.commit().await
            },
            "write",
        )
    }

    /// Begins a study, or goes on with one that was begun with equal settings.
    ///
    /// # Errors
    /// [`DesignError::DifferentSettings`] when the study exists with other settings; when reading or
    /// writing fails.
    pub fn begin(&mut self, study: &str, settings: &Value) -> Result<(), DesignError> {
        if let Some(stored) = self.settings(study)? {
            let differences = differences(&stored, settings);
            if differences.is_empty() {
                return Ok(());
            }
            return Err(DesignError::DifferentSettings {
                study: study.to_owned(),
                path: self.path.clone(),
                differences,
            });
        }
        let query = sqlx::query("INSERT INTO studies (name, format, settings) VALUES (?, ?, ?)")
            .bind(study.to_owned())
            .bind(FORMAT)
            .bind(canonical_value(settings));
        self.block(|connection| query.execute(connection), "write")?;
        Ok(())
    }

    /// The names of all studies, sorted.
    ///
    /// # Errors
    /// When reading fails.
    pub fn studies(&mut self) -> Result<Vec<String>, DesignError> {
        let query = sqlx::query_scalar("SELECT name FROM studies ORDER BY name");
        self.block(|connection| query.fetch_all(connection), "read")
    }

    /// The settings with which a study was begun; `None` when it was not.
    ///
    /// # Errors
    /// When reading fails.
    pub fn settings(&mut self, study: &str) -> Result<Option<Value>, DesignError> {
        let query = sqlx::query_scalar::<_, String>("SELECT settings FROM studies WHERE name = ?")
            .bind(study.to_owned());
        self.block(|connection| query.fetch_optional(connection), "read")?
            .map(|text| self.parse(&text, &format!("settings of study `{study}`")))
            .transpose()
    }

    /// Inserts a finished job. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`DesignError::JobExists`] when the job is in the store already, [`DesignError::UnknownStudy`] when
    /// its study was not begun; when writing fails.
    pub fn record(&mut self, study: &str, record: &JobRecord) -> Result<(), DesignError> {
        let design = serde_json::to_string(&record.design);
        let design = design.map_err(|source| DesignError::Unserialisable {
            what: "the design",
            source,
        })?;
        let (status, detail) = match &record.result {
            JobResult::Scored { detail, .. } => ("scored", Some(detail.to_string())),
            JobResult::Failed { .. } => ("failed", None),
        };
        let query = sqlx::query(
            "INSERT INTO jobs (study, job, trial, rung, design, origin, status, loss, score, parameters, \
             seconds, reason, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(study.to_owned())
        .bind(record.job as i64)
        .bind(record.trial as i64)
        .bind(record.rung as i64)
        .bind(design)
        .bind(record.origin.clone())
        .bind(status)
        .bind(record.loss())
        .bind(record.score())
        .bind(record.parameters().map(|n| i64::try_from(n).unwrap_or(i64::MAX)))
        .bind(record.seconds)
        .bind(record.failure().map(str::to_owned))
        .bind(detail);
        refuse_inside_runtime(&self.path)?;
        match self.runtime.block_on(query.execute(&mut self.connection)) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.not_recorded(error, study, record.job)),
        }
    }

    /// The finished jobs of a study in the order of their numbers; none for a study that was not begun.
    ///
    /// # Errors
    /// When reading fails or a row makes no sense.
    pub fn jobs(&mut self, study: &str) -> Result<Vec<JobRecord>, DesignError> {
        let query =
            sqlx::query("SELECT * FROM jobs WHERE study = ? ORDER BY job").bind(study.to_owned());
        let rows = self.block(|connection| query.fetch_all(connection), "read")?;
        rows.iter().map(|row| self.read(row)).collect()
    }

    /// Closes the file and waits until that is done: the whole store is then in the one file, without
    /// a write-ahead log beside it. Dropping a store closes it soon after.
    ///
    /// # Errors
    /// When writing fails.
    pub fn close(self) -> Result<(), DesignError> {
        refuse_inside_runtime(&self.path)?;
        self.runtime
            .block_on(self.connection.close())
            .map_err(|error| explain(&self.path, "write", error))
    }

    fn read(&self, row: &SqliteRow) -> Result<JobRecord, DesignError> {
        let job = self.count(row, "job")?;
        let what = |column: &str| format!("{column} of job {job}");
        let design: Design = self.parse(&self.get::<String>(row, "design")?, &what("design"))?;
        let result = if self.get::<String>(row, "status")? == "scored" {
            let detail: String = self.get(row, "detail")?;
            JobResult::Scored {
                loss: self.get(row, "loss")?,
                score: self.get(row, "score")?,
                parameters: self.count(row, "parameters")? as u64,
                detail: self.parse(&detail, &what("detail"))?,
            }
        } else {
            JobResult::Failed {
                reason: self.get(row, "reason")?,
            }
        };
        Ok(JobRecord {
            job,
            trial: self.count(row, "trial")?,
            rung: self.count(row, "rung")?,
            design,
            origin: self.get(row, "origin")?,
            result,
            seconds: self.get(row, "seconds")?,
        })
    }

    fn get<'r, T>(&self, row: &'r SqliteRow, column: &str) -> Result<T, DesignError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        // Asked for as an option, because SQLite reads NULL as 0 where a number is wanted.
        match row.try_get::<Option<T>, _>(column) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(damaged(
                &self.path,
                format!("`{column}` of a job is missing"),
            )),
            Err(error) => Err(damaged(&self.path, format!("a row of `jobs`: {error}"))),
        }
    }

    fn count(&self, row: &SqliteRow, column: &str) -> Result<usize, DesignError> {
        let number: i64 = self.get(row, column)?;
        usize::try_from(number)
            .map_err(|_| damaged(&self.path, format!("`{column}` of a job is {number}")))
    }

    fn parse<T: serde::de::DeserializeOwned>(
        &self,
        text: &str,
        what: &str,
    ) -> Result<T, DesignError> {
        serde_json::from_str(text).map_err(|error| damaged(&self.path, format!("{what}: {error}")))
    }

    fn number(&mut self, sql: &'static str) -> Result<i64, DesignError> {
        let query = sqlx::query_scalar(sql);
        self.block(|connection| query.fetch_one(connection), "read")
    }

    /// Turns the write-ahead log on. SQLite does not wait for other processes here, so this does.
    fn write_ahead(&mut self) -> Result<(), DesignError> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let query = sqlx::raw_sql("PRAGMA journal_mode = WAL");
            match self.runtime.block_on(query.execute(&mut self.connection)) {
                Ok(_) => return Ok(()),
                Err(error) if is_busy(&error) && Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(explain(&self.path, "write", error)),
            }
        }
    }

    fn execute(&mut self, sql: &'static str) -> Result<(), DesignError> {
        let query = sqlx::raw_sql(sql);
        self.block(|connection| query.execute(connection), "write")?;
        Ok(())
    }

    /// Runs one access to the end and says in errors what it was for.
    fn block<'a, T, F>(
        &'a mut self,
        access: impl FnOnce(&'a mut SqliteConnection) -> F,
        action: &'static str,
    ) -> Result<T, DesignError>
    where
        F: Future<Output = Result<T, sqlx::Error>> + 'a,
    {
        refuse_inside_runtime(&self.path)?;
        let (path, connection) = (&self.path, &mut self.connection);
        self.runtime
            .block_on(access(connection))
            .map_err(|error| explain(path, action, error))
    }

    fn not_recorded(&self, error: sqlx::Error, study: &str, job: usize) -> DesignError {
        let study = study.to_owned();
        match error.as_database_error() {
            Some(cause) if cause.is_unique_violation() => DesignError::JobExists { study, job },
            Some(cause) if cause.is_foreign_key_violation() => DesignError::UnknownStudy { study },
            _ => explain(&self.path, "write", error),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What SQLite says of the file, by its primary result code.
enum Trouble {
    NotADatabase,
    Corrupt,
    Other,
}

/// SQLite's primary result code.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?.parse::<u32>().ok()?;
    Some(code & 0xff)
}

fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(5)
}

impl Trouble {
    fn of(error: &sqlx::Error) -> Trouble {
        match primary_code(error) {
            Some(26) => Trouble::NotADatabase,
            Some(11) => Trouble::Corrupt,
            _ => Trouble::Other,
        }
    }
}

fn explain(path: &Path, action: &'static str, error: sqlx::Error) -> DesignError {
    match Trouble::of(&error) {
        Trouble::NotADatabase => not_a_store(path, "it is not an SQLite file"),
        Trouble::Corrupt => damaged(path, error.to_string()),
        Trouble::Other => DesignError::Storage {
            path: path.to_owned(),
            action,
            source: error.into(),
        },
    }
}

fn not_a_store(path: &Path, found: &'static str) -> DesignError {
    DesignError::NotAStore {
        path: path.to_owned(),
        found,
    }
}

fn damaged(path: &Path, problem: String) -> DesignError {
    DesignError::Damaged {
        path: path.to_owned(),
        problem,
    }
}

/// A runtime inside a runtime would panic.
fn refuse_inside_runtime(path: &Path) -> Result<(), DesignError> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Err(DesignError::InsideRuntime {
            path: path.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

/// Which top-level settings differ, in words; empty when none does.
fn differences(stored: &Value, given: &Value) -> String {
    let empty = serde_json::Map::new();
    let (stored, given) = (
        stored.as_object().unwrap_or(&empty),
        given.as_object().unwrap_or(&empty),
    );
    let mut names: Vec<&String> = stored.keys().chain(given.keys()).collect();
    names.sort();
    names.dedup();
    let shown = |value: Option<&Value>| {
        let text = value.map_or_else(|| "nothing".to_owned(), canonical_value);
        if text.chars().count() > 40 {
            "another value".to_owned()
        } else {
            text
        }
    };
    let differing: Vec<String> = names
        .into_iter()
        .map(|name| (name, stored.get(name), given.get(name)))
        .filter(|(_, old, new)| old.map(canonical_value) != new.map(canonical_value))
        .map(|(name, old, new)| format!("`{name}` was {}, is {}", shown(old), shown(new)))
        .collect();
    differing.join("; ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use candor_core::Hints;
    use serde_json::json;

    use super::*;
    use crate::record::tests::record;

    fn error_at(path: &Path) -> DesignError {
        let error = Store::open(path).unwrap_err();
        assert!(!error.hints().is_empty());
        assert!(
            error.to_string().contains(&*path.to_string_lossy()),
            "{error}"
        );
        error
    }

    #[test]
    fn records_come_back_bit_equal_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        let mut records = vec![
            record(2, 0, 0.1 + 0.2, u64::from(u32::MAX) + 1),
            record(0, 0, f64::MIN_POSITIVE, 0),
            record(1, 0, f64::NAN, 0),
        ];
        records[0].design = Design::new()
            .with("z", 0.1 + 0.2)
            .with("a", json!(["ü", null]));
        let mut store = Store::open(&path).unwrap();
        store.begin("s", &json!({"seed": u64::MAX})).unwrap();
        for record in &records {
            store.record("s", record).unwrap();
        }
        store.close().unwrap();
        let mut store = Store::open(&path).unwrap();
        records.sort_by_key(|record| record.job);
        let read = store.jobs("s").unwrap();
        assert_eq!(read, records);
        let names: Vec<&str> = read[2].design.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["z", "a"], "the order of choices is kept");
        assert_eq!(store.studies().unwrap(), ["s"]);
        assert_eq!(
            store.settings("s").unwrap(),
            Some(json!({"seed": u64::MAX}))
        );
        assert_eq!(store.jobs("other").unwrap(), []);
    }

    #[test]
    fn a_job_is_inserted_once_and_only_into_a_study() {
        let mut store = Store::in_memory().unwrap();
        store.begin("s", &json!({})).unwrap();
        store.record("s", &record(0, 0, 0.5, 1)).unwrap();
        let again = store.record("s", &record(0, 0, 0.4, 1)).unwrap_err();
        assert_eq!(again.to_string(), "job 0 of study `s` is recorded already");
        assert_eq!(store.jobs("s").unwrap(), [record(0, 0, 0.5, 1)]);
        let unknown = store.record("t", &record(0, 0, 0.4, 1)).unwrap_err();
        assert_eq!(unknown.to_string(), "study `t` is not in the store");
    }

    #[test]
    fn another_connection_sees_what_was_recorded_while_the_first_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        let mut writer = Store::open(&path).unwrap();
        let mut reader = Store::open(&path).unwrap();
        writer.begin("s", &json!({})).unwrap();
        writer.record("s", &record(0, 0, 0.5, 1)).unwrap();
        assert_eq!(reader.jobs("s").unwrap().len(), 1);
    }

    #[test]
    fn a_study_goes_on_only_with_its_settings() {
        let mut store = Store::in_memory().unwrap();
        store.begin("s", &json!({"seed": 1, "eta": 3})).unwrap();
        store.begin("s", &json!({"eta": 3, "seed": 1})).unwrap();
        let error = store
            .begin("s", &json!({"seed": 2, "eta": 3, "trials": 9}))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "study `s` of `:memory:` was begun with other settings: \
             `seed` was 1, is 2; `trials` was nothing, is 9"
        );
        assert!(error.hints()[0].contains("new name"));
    }

    #[test]
    fn files_that_are_not_stores_are_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        fs::write(&text, "age,outcome\n".repeat(100)).unwrap();
        assert!(matches!(error_at(&text), DesignError::NotAStore { .. }));
        assert_eq!(
            fs::read_to_string(&text).unwrap(),
            "age,outcome\n".repeat(100)
        );

        let foreign = folder.path().join("foreign.db");
        let options = SqliteConnectOptions::new()
            .filename(&foreign)
            .create_if_missing(true);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut connection = options.connect().await.unwrap();
            sqlx::raw_sql("CREATE TABLE songs (title TEXT)")
                .execute(&mut connection)
                .await
                .unwrap();
            connection.close().await.unwrap();
        });
        let before = fs::read(&foreign).unwrap();
        assert!(matches!(error_at(&foreign), DesignError::NotAStore { .. }));
        assert_eq!(fs::read(&foreign).unwrap(), before);
    }

    #[test]
    fn damaged_stores_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        let mut store = Store::open(&path).unwrap();
        store.begin("s", &json!({})).unwrap();
        for trial in 0..300 {
            store.record("s", &record(trial, 0, 0.5, 1)).unwrap();
        }
        store.close().unwrap();
        assert!(
            !folder.path().join("study.db-wal").exists(),
            "one file holds everything"
        );
        let whole = fs::read(&path).unwrap();

        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(error_at(&path), DesignError::Damaged { .. }));

        let mut scratched = whole.clone();
        let middle = scratched.len() / 2;
        scratched[middle..].iter_mut().for_each(|byte| *byte = 0x5a);
        fs::write(&path, &scratched).unwrap();
        assert!(matches!(error_at(&path), DesignError::Damaged { .. }));

        fs::write(&path, &whole).unwrap();
        assert_eq!(Store::open(&path).unwrap().jobs("s").unwrap().len(), 300);
    }

    #[test]
    fn rows_that_make_no_sense_are_reported_with_their_place() {
        let mut store = Store::in_memory().unwrap();
        store.begin("s", &json!({})).unwrap();
        store.record("s", &record(0, 0, 0.5, 1)).unwrap();
        let spoilers = [
            ("UPDATE jobs SET design = '[1]'", "design of job 0"),
            ("UPDATE jobs SET loss = NULL", "`loss` of a job is missing"),
            ("UPDATE jobs SET trial = -1", "`trial` of a job is -1"),
        ];
        for (spoiler, expected) in spoilers.into_iter().rev() {
            store.execute(spoiler).unwrap();
            let error = store.jobs("s").unwrap_err();
            assert!(matches!(error, DesignError::Damaged { .. }));
            assert!(
                error.to_string().contains(expected),
                "`{error}` lacks `{expected}`"
            );
            store
                .execute("UPDATE jobs SET trial = 0, loss = 0.5")
                .unwrap();
        }
    }

    #[test]
    fn a_later_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.db");
        Store::open(&path)
            .unwrap()
            .execute("PRAGMA user_version = 7")
            .unwrap();
        let error = error_at(&path);
        assert!(
            error
                .to_string()
                .ends_with("has format 7; this program reads up to format 1")
        );
    }

    #[test]
    fn places_that_cannot_be_written_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [
            folder.path().join("absent/study.db"),
            file.join("study.db"),
            folder.path().to_owned(),
        ] {
            assert!(
                matches!(error_at(&path), DesignError::CannotOpen { .. }),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn use_from_asynchronous_code_is_an_error_and_no_panic() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let error = runtime.block_on(async { Store::in_memory().unwrap_err() });
        assert!(matches!(error, DesignError::InsideRuntime { .. }));
    }
}
