//! Personal fields under a key of each subject's own, wrapped by a key-encryption key that never enters the database.
//! Destroying a subject's key erases the field in every event, backup and export, and no hash changes. The trap avoided: a
//! ciphertext moved to another subject or field; both are authenticated with it.

use crate::clock::random_bytes;
use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rhone_domain::{
    canonical::CanonicalBytes,
    ids::{SubjectId, WorkspaceId},
    personal::Sealed,
};
use sqlx::{PgConnection, PgPool, Row as _};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

const NONCE: usize = 12;

/// The key-encryption key. It has no `Debug`: it is never printed.
#[derive(Clone)]
pub struct Kek(Arc<KekParts>);

struct KekParts {
    id: String,
    key: [u8; 32],
}

impl Kek {
    /// A key and the name under which it is found again.
    pub fn new(id: impl Into<String>, key: [u8; 32]) -> Self {
        Self(Arc::new(KekParts { id: id.into(), key }))
    }
}

/// Why a personal field was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The subject was erased; nothing more is recorded about them.
    #[error("subject {0} was erased")]
    Erased(SubjectId),
    /// The subject's key is wrapped by another key-encryption key.
    #[error("the key of a subject is wrapped by `{0}`, which is not at hand")]
    OtherKek(String),
    /// Wrong key, or the ciphertext was changed or moved.
    #[error("a sealed field of subject {0} is not authentic")]
    NotAuthentic(SubjectId),
    /// The keys cannot be reached.
    #[error("the keys of subjects are unavailable")]
    Unavailable(#[from] sqlx::Error),
}

/// Seals and opens personal fields.
#[derive(Clone)]
pub struct Subjects {
    pool: PgPool,
    kek: Kek,
}

impl Subjects {
    /// With the keys in this database, wrapped by this key.
    pub fn new(pool: PgPool, kek: Kek) -> Self {
        Self { pool, kek }
    }

    /// Seals a field; the subject's key is made at its first field.
    pub async fn seal(
        &self,
        workspace: WorkspaceId,
        subject: SubjectId,
        field: &str,
        plaintext: &str,
    ) -> Result<Sealed, SubjectError> {
        let key = match self.key(subject).await? {
            Stored::Key(key) => key,
            Stored::Erased => return Err(SubjectError::Erased(subject)),
            Stored::Missing => self.make_key(workspace, subject).await?,
        };
        let nonce = random_bytes::<NONCE>();
        let ciphertext = encrypt(&key, nonce, plaintext.as_bytes(), &bound_to(subject, field));
        Ok(Sealed {
            subject,
            field: field.to_owned(),
            nonce: STANDARD.encode(nonce),
            ciphertext: STANDARD.encode(ciphertext),
        })
    }

    /// The field in clear; none once its subject was erased.
    pub async fn open(&self, sealed: &Sealed) -> Result<Option<String>, SubjectError> {
        match self.key(sealed.subject).await? {
            Stored::Key(key) => in_clear(&key, sealed).map(Some),
            Stored::Erased | Stored::Missing => Ok(None),
        }
    }

    /// Fields of many subjects in clear, with one statement, in the order in which they are given. One that is not authentic
    /// keeps nobody from the others.
    pub async fn open_many(
        &self,
        sealed: &[Sealed],
    ) -> Result<Vec<Result<Option<String>, SubjectError>>, SubjectError> {
        let subjects: Vec<_> = sealed.iter().map(|one| one.subject.0).collect();
        let rows = sqlx::query(
            "SELECT asked.subject, k.key_id, k.wrapped_key FROM unnest($1::uuid[]) AS asked (subject)
             CROSS JOIN LATERAL log.subject_key(asked.subject) k",
        );
        let mut keys = HashMap::with_capacity(sealed.len());
        for row in rows.bind(subjects).fetch_all(&self.pool).await? {
            let (subject, key_id): (Uuid, String) = (row.try_get("subject")?, row.try_get("key_id")?);
            keys.insert(subject, (key_id, row.try_get::<Option<Vec<u8>>, _>("wrapped_key")?));
        }
        let open = |one: &Sealed| match keys.get(&one.subject.0) {
            Some((key_id, Some(wrapped))) => in_clear(&self.unwrap(one.subject, key_id, wrapped)?, one).map(Some),
            Some((_, None)) | None => Ok(None),
        };
        Ok(sealed.iter().map(open).collect())
    }

    /// Erases a subject for ever; true if there was a key.
    pub async fn destroy(&self, subject: SubjectId) -> Result<bool, SubjectError> {
        let row = sqlx::query("SELECT log.destroy_subject_key($1) AS destroyed")
            .bind(subject.0)
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get("destroyed")?)
    }

    /// Unwraps every subject's key and forgets it, as the administrator: the key at hand is the one of this database. Says how
    /// many there are.
    pub async fn unwrap_every(&self, admin: &mut PgConnection) -> Result<u64, SubjectError> {
        let rows =
            sqlx::query("SELECT subject, key_id, wrapped_key FROM log.subject_keys WHERE wrapped_key IS NOT NULL")
                .fetch_all(admin)
                .await?;
        for row in &rows {
            let key_id: String = row.try_get("key_id")?;
            let wrapped: Vec<u8> = row.try_get("wrapped_key")?;
            self.unwrap(SubjectId(row.try_get("subject")?), &key_id, &wrapped)?;
        }
        Ok(rows.len() as u64)
    }

    async fn key(&self, subject: SubjectId) -> Result<Stored, SubjectError> {
        let row = sqlx::query("SELECT key_id, wrapped_key FROM log.subject_key($1)")
            .bind(subject.0)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(Stored::Missing);
        };
        match row.try_get::<Option<Vec<u8>>, _>("wrapped_key")? {
            None => Ok(Stored::Erased),
            Some(wrapped) => {
                let key_id: String = row.try_get("key_id")?;
                self.unwrap(subject, &key_id, &wrapped).map(Stored::Key)
            }
        }
    }

    /// Stores a new key; if a twin was faster, its key is taken.
    async fn make_key(&self, workspace: WorkspaceId, subject: SubjectId) -> Result<[u8; 32], SubjectError> {
        let key = random_bytes::<32>();
        let nonce = random_bytes::<NONCE>();
        let mut wrapped = nonce.to_vec();
        wrapped.extend(encrypt(&self.kek.0.key, nonce, &key, &self.wrapping(subject)));
        sqlx::query("SELECT log.create_subject_key($1, $2, $3, $4)")
            .bind(subject.0)
            .bind(workspace.0)
            .bind(&self.kek.0.id)
            .bind(wrapped)
            .execute(&self.pool)
            .await?;
        match self.key(subject).await? {
            Stored::Key(key) => Ok(key),
            Stored::Erased | Stored::Missing => Err(SubjectError::Erased(subject)),
        }
    }

    fn unwrap(&self, subject: SubjectId, key_id: &str, wrapped: &[u8]) -> Result<[u8; 32], SubjectError> {
        if key_id != self.kek.0.id {
            return Err(SubjectError::OtherKek(key_id.to_owned()));
        }
        wrapped
            .split_first_chunk::<NONCE>()
            .and_then(|(nonce, ciphertext)| decrypt(&self.kek.0.key, *nonce, ciphertext, &self.wrapping(subject)))
            .and_then(|key| key.try_into().ok())
            .ok_or(SubjectError::NotAuthentic(subject))
    }

    fn wrapping(&self, subject: SubjectId) -> Vec<u8> {
        CanonicalBytes::tagged("rhone.subject-key.v1").field(&self.kek.0.id).field(subject.0.as_bytes()).into_bytes()
    }
}

enum Stored {
    Key([u8; 32]),
    Erased,
    Missing,
}

fn in_clear(key: &[u8; 32], sealed: &Sealed) -> Result<String, SubjectError> {
    let forged = || SubjectError::NotAuthentic(sealed.subject);
    let nonce = STANDARD.decode(&sealed.nonce).map_err(|_| forged())?;
    let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| forged())?;
    let ciphertext = STANDARD.decode(&sealed.ciphertext).map_err(|_| forged())?;
    let plaintext = decrypt(key, nonce, &ciphertext, &bound_to(sealed.subject, &sealed.field));
    String::from_utf8(plaintext.ok_or_else(forged)?).map_err(|_| forged())
}

fn bound_to(subject: SubjectId, field: &str) -> Vec<u8> {
    CanonicalBytes::tagged("rhone.sealed.v1").field(subject.0.as_bytes()).field(field).into_bytes()
}

fn encrypt(key: &[u8; 32], nonce: [u8; NONCE], msg: &[u8], aad: &[u8]) -> Vec<u8> {
    Aes256Gcm::new(&(*key).into())
        .encrypt(&Nonce::from(nonce), Payload { msg, aad })
        .expect("a field is far below the cipher's 64 GiB")
}

fn decrypt(key: &[u8; 32], nonce: [u8; NONCE], msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    Aes256Gcm::new(&(*key).into()).decrypt(&Nonce::from(nonce), Payload { msg, aad }).ok()
}
