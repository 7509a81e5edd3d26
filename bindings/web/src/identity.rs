//! Who a participant is.

use js_sys::Uint8Array;
use moq_mls_boundary as boundary;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::fail::Fail;
use crate::js::argument;

/// A cipher suite, a signature key and a basic credential.
#[wasm_bindgen]
pub struct Identity(pub(crate) boundary::Identity);

#[wasm_bindgen]
impl Identity {
    /// Generates a signature key for an MLS cipher suite, 1, 2, 3 or 7. `name` is the identity of the basic credential,
    /// a `Uint8Array`.
    ///
    /// # Errors
    /// `TypeError`; `unsupported` for another suite.
    pub fn generate(suite: &JsValue, name: &JsValue) -> Result<Self, Fail> {
        let (suite, name): (u16, bytes::Bytes) = (argument(suite, "suite")?, argument(name, "name")?);
        Ok(Self(boundary::Identity::generate(suite, name)?))
    }

    /// Takes back a key that [`secret_key`](Self::secret_key) returned.
    ///
    /// # Errors
    /// `TypeError`; `unsupported` for another suite; `engine` for bytes that are no key.
    #[wasm_bindgen(js_name = fromSecretKey)]
    pub fn from_secret_key(suite: &JsValue, name: &JsValue, secret: &JsValue) -> Result<Self, Fail> {
        let (suite, name): (u16, bytes::Bytes) = (argument(suite, "suite")?, argument(name, "name")?);
        let secret: bytes::Bytes = argument(secret, "secretKey")?;
        Ok(Self(boundary::Identity::from_secret_key(suite, name, &secret)?))
    }

    /// Returns the signature private key.
    #[wasm_bindgen(js_name = secretKey)]
    pub fn secret_key(&self) -> Uint8Array {
        Uint8Array::from(self.0.secret_key().as_slice())
    }

    /// Returns the signature public key.
    #[wasm_bindgen(js_name = publicKey)]
    pub fn public_key(&self) -> Uint8Array {
        Uint8Array::from(self.0.public_key())
    }
}
