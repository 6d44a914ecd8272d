//! The file of certificate authorities that `--ca-file` names.
//!
//! Main function: [`read`]. An error about a file that is not PEM says what it looks like, with the
//! command that converts it.

use std::borrow::Cow;
use std::path::Path;

use reqwest::Certificate;

use crate::files::{Links, open_regular, read_input};
use crate::model::{in_words, printable, shell_word, with_ends, without_os_number};

/// The longest file that is read; that of a whole system has a quarter of a megabyte.
const LONGEST: u64 = 16 * 1024 * 1024;
/// The variable that replaces the authorities of the system.
const STORE: &str = "SSL_CERT_FILE";

/// Reads the certificates of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Certificate>, String> {
    let shown = path.to_string_lossy();
    let failed = |text: &str| format!("{}: {text}", printable(&with_ends(&shown)));
    let bytes = read_input(path, LONGEST).map_err(|error| failed(without_os_number(&error.to_string())))?;
    let pem = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    if let Some(what) = other_than_pem(pem, &shown) {
        return Err(failed(&what));
    }
    match Certificate::from_pem_bundle(pem) {
        Ok(certificates) if certificates.is_empty() => Err(failed("no certificate in this file")),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(failed("a certificate in this file is damaged")),
    }
}

/// What a file is that has no certificate in PEM form.
fn other_than_pem(bytes: &[u8], path: &str) -> Option<String> {
    const BEGIN: &str = "-----BEGIN ";
    if bytes.trim_ascii().is_empty() {
        return Some("the file is empty".to_owned());
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Some("the file is UTF-16 text; save it as UTF-8".to_owned());
    }
    let text = String::from_utf8_lossy(bytes);
    let mut blocks = text.split(BEGIN).skip(1).map(|block| block.split("-----").next().unwrap_or_default());
    let first = blocks.clone().next();
    if blocks.any(|kind| matches!(kind, "CERTIFICATE" | "X509 CERTIFICATE")) {
        return None;
    }
    let quoted = quote(path);
    Some(match first {
        Some("PKCS7" | "CMS") => format!(
            "a PKCS#7 bundle, not a PEM certificate; convert it: openssl pkcs7 -print_certs -in {quoted} -out ca.pem"
        ),
        Some("TRUSTED CERTIFICATE") => format!(
            "an OpenSSL trusted certificate, not a plain one; convert it: openssl x509 -in {quoted} -out ca.pem"
        ),
        Some("CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") => {
            "a request for a certificate, not a certificate".to_owned()
        }
        Some(kind) if kind.ends_with("PRIVATE KEY") => "a private key, not a certificate".to_owned(),
        Some(kind) if kind.ends_with("PUBLIC KEY") => "a public key, not a certificate".to_owned(),
        Some(_) => "no certificate in this file".to_owned(),
        None => binary(bytes, &quoted).unwrap_or_else(|| {
            "no certificate in this file: PEM begins with -----BEGIN CERTIFICATE-----".to_owned()
        }),
    })
}

/// What a file in DER form holds: the first values of each kind differ.
fn binary(bytes: &[u8], path: &str) -> Option<String> {
    let inner = match bytes {
        [0x30, length, rest @ ..] if *length < 0x80 => rest,
        [0x30, length @ 0x81..=0x84, rest @ ..] => rest.get(usize::from(length - 0x80)..)?,
        _ => return None,
    };
    match inner {
        [0x30, ..] => Some(format!(
            "a certificate in DER form, not PEM; convert it: openssl x509 -inform der -in {path} -out ca.pem"
        )),
        [0x06, ..] => Some(format!(
            "a PKCS#7 bundle in DER form, not PEM; convert it: openssl pkcs7 -inform der -print_certs -in {path} -out ca.pem"
        )),
        [0x02, ..] => Some(format!(
            "a PKCS#12 store or a key in DER form, not PEM; convert it: openssl pkcs12 -nokeys -in {path} -out ca.pem"
        )),
        _ => None,
    }
}

/// A path as a shell takes it.
fn quote(path: &str) -> String {
    let path = if path.starts_with('-') { Cow::Owned(format!("./{path}")) } else { Cow::Borrowed(path) };
    shell_word(&path).into_owned()
}

/// Why the system's store gives no certificates: what a person can do something about.
pub(super) fn no_store() -> String {
    match store_file().map(|path| (open_regular(&path, Links::Follow), path)) {
        Some((Err(error), path)) => {
            let shown = path.display().to_string();
            format!("{STORE} ({}): {}", printable(&shown), in_words(&error))
        }
        Some((Ok(_), _)) => format!("the file of {STORE} has no certificate that can be used"),
        None => "this system has no store of certificate authorities".to_owned(),
    }
}

/// Whether reading the system's store might never end: the library that reads it does not look.
pub(super) fn endless_store() -> Option<String> {
    let path = store_file()?;
    let error = open_regular(&path, Links::Follow).err()?;
    (error.kind() != std::io::ErrorKind::NotFound).then(no_store)
}

fn store_file() -> Option<std::path::PathBuf> {
    std::env::var_os(STORE).filter(|path| !path.is_empty()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_certificate_is_named() {
        for (bytes, words) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"\xFF\xFE-\0", "UTF-16"),
            (b"\x30\x82\x01\x00\x30\x82", "openssl x509 -inform der -in 'my ca.crt' -out"),
            (b"\x30\x82\x01\x00\x06\x09", "openssl pkcs7 -inform der"),
            (b"\x30\x82\x01\x00\x02\x01\x03", "PKCS#12"),
            (b"-----BEGIN PKCS7-----\n", "openssl pkcs7 -print_certs"),
            (b"-----BEGIN RSA PRIVATE KEY-----\n", "a private key"),
            (b"-----BEGIN CERTIFICATE REQUEST-----\n", "request"),
            (b"<html>", "-----BEGIN CERTIFICATE-----"),
        ] {
            let what = other_than_pem(bytes, "my ca.crt").unwrap();
            assert!(what.contains(words), "{what}");
        }
        assert_eq!(other_than_pem(b"key:\n-----BEGIN CERTIFICATE-----\n", "x"), None);
    }
}
