//! Certificates of app registrations: thumbprints and public keys, read from DER.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::scenario::CertificateSetup;

/// A certificate as Entra stores it with an app registration.
#[derive(Debug, Clone)]
pub(super) struct RegisteredCertificate {
    /// The value of `x5t#S256`.
    pub(super) sha256: Vec<u8>,
    /// The value of `x5t`; unknown if only a key was registered.
    pub(super) sha1: Option<Vec<u8>>,
    /// The `SubjectPublicKeyInfo`.
    pub(super) spki: Vec<u8>,
    pub(super) expires: Option<OffsetDateTime>,
}

impl RegisteredCertificate {
    pub(super) fn read(setup: &CertificateSetup) -> Result<Self, String> {
        match setup {
            CertificateSetup::Pem(pem) => {
                let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| format!("the certificate is not PEM: {error}"))?;
                Self::from_der(&der)
            }
            CertificateSetup::Der(der) => Self::from_der(der),
            CertificateSetup::Key(key) => {
                let spki = STANDARD.decode(&key.spki).map_err(|error| format!("spki is not base64: {error}"))?;
                let sha256 = unhex(&key.sha256).filter(|bytes| bytes.len() == 32);
                let sha256 = sha256.ok_or("sha256 is not 64 hex digits")?;
                Ok(Self { sha256, sha1: None, spki, expires: None })
            }
        }
    }

    fn from_der(der: &[u8]) -> Result<Self, String> {
        let (spki, expires) = key_and_expiry(der).ok_or("the certificate is not an X.509 certificate in DER")?;
        Ok(Self {
            sha256: digest::digest(&SHA256, der).as_ref().to_vec(),
            sha1: Some(digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().to_vec()),
            spki: spki.to_vec(),
            expires,
        })
    }
}

/// The certificate's `SubjectPublicKeyInfo` and `notAfter` (RFC 5280 §4.1).
fn key_and_expiry(der: &[u8]) -> Option<(&[u8], Option<OffsetDateTime>)> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let certificate = Element::read(der)?.is(SEQUENCE)?;
    let tbs = Element::read(certificate.content)?.is(SEQUENCE)?;
    let first = Element::read(tbs.content)?;
    let serial = if first.tag == VERSION { Element::read(first.rest)? } else { first };
    let algorithm = Element::read(serial.rest)?.is(SEQUENCE)?;
    let issuer = Element::read(algorithm.rest)?.is(SEQUENCE)?;
    let validity = Element::read(issuer.rest)?.is(SEQUENCE)?;
    let subject = Element::read(validity.rest)?.is(SEQUENCE)?;
    let key = Element::read(subject.rest)?.is(SEQUENCE)?;
    let not_before = Element::read(validity.content)?;
    let not_after = Element::read(not_before.rest)?;
    Some((key.whole, time_of(&not_after)))
}

fn time_of(element: &Element<'_>) -> Option<OffsetDateTime> {
    const GENERALIZED: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day][hour][minute][second]Z");
    let text = std::str::from_utf8(element.content).ok()?;
    let text = match element.tag {
        // UTCTime has a two-digit year. The years 50 to 99 are in the last century.
        0x17 if text.get(..2)? >= "50" => format!("19{text}"),
        0x17 => format!("20{text}"),
        _ => text.to_owned(),
    };
    time::PrimitiveDateTime::parse(&text, GENERALIZED).ok().map(time::PrimitiveDateTime::assume_utc)
}

/// One element of DER.
pub(super) struct Element<'a> {
    tag: u8,
    pub(super) content: &'a [u8],
    whole: &'a [u8],
    pub(super) rest: &'a [u8],
}

impl<'a> Element<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let (&tag, after_tag) = der.split_first()?;
        let (&short, after_length) = after_tag.split_first()?;
        let (length, body) = if short < 0x80 {
            (usize::from(short), after_length)
        } else {
            let (octets, body) = after_length.split_at_checked(usize::from(short & 0x7f))?;
            if octets.is_empty() || octets.len() > 4 {
                return None;
            }
            (octets.iter().fold(0, |length, octet| (length << 8) | usize::from(*octet)), body)
        };
        let (content, rest) = body.split_at_checked(length)?;
        Some(Self { tag, content, whole: der.get(..der.len() - rest.len())?, rest })
    }

    fn is(self, tag: u8) -> Option<Self> {
        (self.tag == tag).then_some(self)
    }
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().filter(|c| !matches!(c, ':' | ' ')).map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.filter_map(|pair| pair.first_chunk::<2>().map(|[high, low]| high << 4 | low)).collect())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_or_flipped_certificate_is_refused_without_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["app.example".into()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let (spki, expires) = key_and_expiry(&der).unwrap();
        assert_eq!(spki, rcgen::PublicKeyData::subject_public_key_info(&key));
        assert!(expires.is_some());
        for cut in 0..der.len() {
            assert!(key_and_expiry(&der[..cut]).is_none(), "cut at {cut}");
        }
        for at in 0..der.len() {
            let mut flipped = der.clone();
            flipped[at] ^= 0xff;
            let _ = key_and_expiry(&flipped);
        }
    }

    #[test]
    fn thumbprints_are_read_in_their_usual_spellings() {
        assert_eq!(unhex("0aFF"), Some(vec![0x0a, 0xff]));
        assert_eq!(unhex("0A:FF"), Some(vec![0x0a, 0xff]));
        assert_eq!(unhex("0aF"), None);
        assert_eq!(unhex("zz"), None);
        assert_eq!(hex(&[0x0a, 0xff]), "0AFF");
    }
}
