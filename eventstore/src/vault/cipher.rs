//! AES-256-GCM, always with associated data. The trap avoided: an `encrypt` without it, which somebody would call.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead as _, KeyInit as _, Payload},
};

pub(super) const NONCE: usize = 12;

pub(super) fn encrypt(key: &[u8; 32], nonce: [u8; NONCE], msg: &[u8], aad: &[u8]) -> Vec<u8> {
    Aes256Gcm::new(&(*key).into())
        .encrypt(&Nonce::from(nonce), Payload { msg, aad })
        .expect("a value is far below the cipher's 64 GiB")
}

/// None when key, ciphertext or associated data are others.
pub(super) fn decrypt(key: &[u8; 32], nonce: [u8; NONCE], msg: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    Aes256Gcm::new(&(*key).into()).decrypt(&Nonce::from(nonce), Payload { msg, aad }).ok()
}
