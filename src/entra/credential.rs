//! How an app authenticates at the token endpoint: with a client secret, with an assertion that a certificate's key signs, or with the
//! token of an issuer that its registration trusts.

use aws_lc_rs::digest;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;
use time::OffsetDateTime;
use url::Url;

use crate::consent::{ClientId, TokenId};
use crate::secret::Secret;

/// A credential, ready to use. `Debug` shows nothing of it.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A client secret's value.
    ClientSecret(Secret),
    /// A certificate with its private key.
    Certificate(CertificateKey),
    /// A token of an issuer that the registration trusts (federated identity credential, protocol reference §3.4). The token itself is the
    /// assertion.
    Federated(Secret),
}

impl Credential {
    /// Whether both are the same credential. A retry with the same credential after a refusal would change nothing.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ClientSecret(one), Self::ClientSecret(two)) => one.expose() == two.expose(),
            (Self::Certificate(one), Self::Certificate(two)) => one.thumbprint == two.thumbprint,
            (Self::Federated(one), Self::Federated(two)) => one.expose() == two.expose(),
            (Self::ClientSecret(_) | Self::Certificate(_) | Self::Federated(_), _) => false,
        }
    }
}

/// A certificate registered with the app, and its RSA key.
#[derive(Clone)]
pub struct CertificateKey {
    key: EncodingKey,
    thumbprint: Box<str>,
    certificate: CertificateDer<'static>,
}

impl std::fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateKey").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

/// Why a PEM text is not usable as a certificate credential. The messages are for the operator and contain nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitCertificate {
    /// Damaged, or not PEM at all.
    #[error("it is not readable as PEM: put the certificate and its private key, both in PEM, into one text")]
    NotPem,
    /// No certificate.
    #[error("it has no certificate: add the certificate in PEM (BEGIN CERTIFICATE) to the private key")]
    NoCertificate,
    /// No private key.
    #[error("it has no private key: add the key in PEM (BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY) to the certificate")]
    NoKey,
    /// A passphrase protects the key, and no person is present to type it.
    #[error("its private key is encrypted: store it without a passphrase (openssl pkey -in key.pem -out plain.pem)")]
    EncryptedKey,
    /// An elliptic-curve or other key.
    #[error("its private key is not an RSA key of 2048 to 8192 bits: Microsoft Entra takes RSA only")]
    NotRsa,
    /// The key belongs to another certificate.
    #[error("its private key does not belong to its certificate")]
    KeyOfAnother,
    /// Signing failed.
    #[error("its private key does not sign")]
    CannotSign,
}

/// The lifetime of an assertion in seconds: Microsoft documents 5 to 10 minutes (protocol reference §3.3).
const ASSERTION_LIFE: i64 = 600;

impl CertificateKey {
    /// Reads a certificate and its private key (PKCS#8 or PKCS#1) from one PEM text, in any order. If the text has a chain, the result has
    /// the certificate that belongs to the key. Secret managers and `.env` files write line breaks as the two characters `\n`, also in
    /// quotes. PEM itself contains neither a backslash nor a quote.
    ///
    /// # Errors
    /// [`UnfitCertificate`].
    pub fn from_pem(pem: &Secret) -> Result<Self, UnfitCertificate> {
        let pem = Secret::new(pem.expose().replace("\\r", "").replace("\\n", "\n").replace(['"', '\''], ""));
        let text = pem.expose();
        // The first text is PKCS#8's label, the second a header that OpenSSL's own format puts inside an ordinary section.
        if text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(UnfitCertificate::EncryptedKey);
        }
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(|_| UnfitCertificate::NotPem)?;
        if !text.contains("-----BEGIN ") {
            return Err(UnfitCertificate::NotPem);
        }
        let key =
            PrivateKeyDer::pem_slice_iter(text.as_bytes()).next().ok_or(UnfitCertificate::NoKey)?.map_err(|_| UnfitCertificate::NotPem)?;
        if certificates.is_empty() {
            return Err(UnfitCertificate::NoCertificate);
        }
        let (pair, label) = match &key {
            PrivateKeyDer::Pkcs8(der) => (KeyPair::from_pkcs8(der.secret_pkcs8_der()), "PRIVATE KEY"),
            PrivateKeyDer::Pkcs1(der) => (KeyPair::from_der(der.secret_pkcs1_der()), "RSA PRIVATE KEY"),
            _ => return Err(UnfitCertificate::NotRsa),
        };
        let pair = pair.map_err(|_| UnfitCertificate::NotRsa)?;
        // A certificate contains its RSAPublicKey (RFC 8017 A.1.1) verbatim, so a byte search replaces a certificate parser.
        let public = pair.public_key().as_ref();
        let certificate = certificates
            .iter()
            .find(|certificate| certificate.as_ref().windows(public.len()).any(|window| window == public))
            .ok_or(UnfitCertificate::KeyOfAnother)?;
        let section = Secret::new(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(key.secret_der())));
        let key = EncodingKey::from_rsa_pem(section.expose().as_bytes()).map_err(|_| UnfitCertificate::NotRsa)?;
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, certificate)).into();
        Ok(Self { key, thumbprint, certificate: certificate.clone() })
    }

    /// When the certificate ends (`notAfter`). `None` if the certificate cannot be parsed; its key can still sign.
    pub(crate) fn ends(&self) -> Option<OffsetDateTime> {
        let (_, certificate) = x509_parser::parse_x509_certificate(&self.certificate).ok()?;
        Some(certificate.validity().not_after.to_datetime())
    }

    /// A client assertion (RFC 7523 §2.2 as Entra documents it, protocol reference §3.3): PS256, ten minutes, for exactly this token URL.
    ///
    /// # Errors
    /// [`UnfitCertificate::CannotSign`].
    pub(crate) fn client_assertion(
        &self,
        client: ClientId,
        token_url: &Url,
        now: OffsetDateTime,
        jti: TokenId,
    ) -> Result<Secret, UnfitCertificate> {
        #[derive(Serialize)]
        struct AssertionClaims<'a> {
            aud: &'a Url,
            iss: ClientId,
            sub: ClientId,
            jti: TokenId,
            nbf: i64,
            iat: i64,
            exp: i64,
        }
        let header = Header { x5t_s256: Some(self.thumbprint.to_string()), ..Header::new(Algorithm::PS256) };
        let iat = now.unix_timestamp();
        let claims = AssertionClaims { aud: token_url, iss: client, sub: client, jti, nbf: iat, iat, exp: iat + ASSERTION_LIFE };
        jsonwebtoken::encode(&header, &claims, &self.key).map(Secret::new).map_err(|_| UnfitCertificate::CannotSign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair as Generated, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
    use serde_json::{Value, json};
    use time::macros::datetime;

    fn rsa() -> (Generated, String) {
        let key = Generated::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(vec!["verifier.example".into()]).unwrap().self_signed(&key).unwrap();
        (key, certificate.pem())
    }

    fn read(pem: &str) -> Result<CertificateKey, UnfitCertificate> {
        CertificateKey::from_pem(&Secret::new(pem.to_owned()))
    }

    fn part(assertion: &str, at: usize) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').nth(at).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_has_exactly_the_documented_header_and_claims_and_a_good_signature() {
        let (key, certificate) = rsa();
        let credential = read(&format!("{}{certificate}", key.serialize_pem())).unwrap();
        let client = ClientId::parse("11111111-2222-4333-8444-555555555555").unwrap();
        let url: Url = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/oauth2/v2.0/token".parse().unwrap();
        let jti = TokenId::from_random([7; 16]);
        let now = datetime!(2026-01-02 03:04:05 UTC);
        let assertion = credential.client_assertion(client, &url, now, jti).unwrap();
        let assertion = assertion.expose();

        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der));
        assert_eq!(part(assertion, 0), json!({"typ": "JWT", "alg": "PS256", "x5t#S256": thumbprint}));
        let iat = now.unix_timestamp();
        assert_eq!(
            part(assertion, 1),
            json!({"aud": url.as_str(), "iss": client.to_string(), "sub": client.to_string(), "jti": jti.to_string(), "nbf": iat, "iat": iat, "exp": iat + 600})
        );
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::RSA_PSS_2048_8192_SHA256, key.public_key_raw())
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
    }

    #[test]
    fn a_pkcs1_key_signs_as_well_and_the_leaf_of_a_chain_is_found() {
        let (key, certificate) = rsa();
        let (_, other) = rsa();
        // RSAPrivateKey is the OCTET STRING at the end of a PKCS#8 document; its header is 26 bytes long for 2048 bits.
        let pkcs1 = &key.serialized_der()[26..];
        let pkcs1 = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", STANDARD.encode(pkcs1));
        let whole = read(&format!("{}{certificate}", key.serialize_pem())).unwrap();
        let old_form = read(&format!("{other}{certificate}{pkcs1}")).unwrap();
        assert_eq!(whole.thumbprint, old_form.thumbprint);
        assert!(Credential::Certificate(whole).is_same_as(&Credential::Certificate(old_form)));
    }

    #[test]
    fn line_breaks_as_a_secret_manager_writes_them_are_read() {
        let (key, certificate) = rsa();
        let pem = format!("{certificate}{}", key.serialize_pem()).replace('\r', "");
        let escaped = pem.replace('\n', "\\n");
        let windows = pem.replace('\n', "\r\n");
        for text in [&escaped, &format!("\"{escaped}\""), &format!("'{escaped}'"), &pem.replace('\n', "\\r\\n"), &windows] {
            assert_eq!(read(text).unwrap().thumbprint, read(&pem).unwrap().thumbprint);
        }
    }

    #[test]
    fn each_unfit_text_is_told_apart_and_nothing_of_it_is_echoed() {
        let (key, certificate) = rsa();
        let (_, other) = rsa();
        let curve = Generated::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let key = key.serialize_pem();
        for (pem, expected) in [
            ("canary".to_owned(), UnfitCertificate::NotPem),
            (String::new(), UnfitCertificate::NotPem),
            (key.clone(), UnfitCertificate::NoCertificate),
            (certificate.clone(), UnfitCertificate::NoKey),
            (format!("{certificate}{curve}"), UnfitCertificate::NotRsa),
            (format!("{certificate}{}", curve.replace("PRIVATE KEY", "EC PRIVATE KEY")), UnfitCertificate::NotRsa),
            (format!("{certificate}{}", key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")), UnfitCertificate::EncryptedKey),
            (
                format!("{certificate}-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"),
                UnfitCertificate::EncryptedKey,
            ),
            (format!("{other}{key}"), UnfitCertificate::KeyOfAnother),
            (format!("{certificate}-----BEGIN PRIVATE KEY-----\ncanary!\n-----END PRIVATE KEY-----\n"), UnfitCertificate::NotPem),
        ] {
            let error = read(&pem).unwrap_err();
            assert_eq!(error, expected, "{pem}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn a_credential_prints_nothing_secret() {
        let (key, certificate) = rsa();
        let shown = format!("{:?}", Credential::Certificate(read(&format!("{}{certificate}", key.serialize_pem())).unwrap()));
        assert!(shown.starts_with("Certificate(CertificateKey { thumbprint: "), "{shown}");
        assert_eq!(format!("{:?}", Credential::ClientSecret(Secret::new("canary".into()))), "ClientSecret([REDACTED])");
    }
}
