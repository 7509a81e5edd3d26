//! The order of a module's functions, for compression.
//!
//! gzip finds what repeats within 32 KiB, and many functions are one generic function for other types. So functions that
//! have much in common follow each other. The module is the same but for the numbers of its functions.

use std::collections::BTreeSet;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{BinaryReaderError, CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// How many bytes in a row count as something in common: about two instructions.
const SHINGLE: usize = 4;
/// In how many ways two functions are compared.
const SAMPLES: usize = 384;
/// A difference of so many bytes in length counts as much as one sample.
const LENGTH: usize = 1000;

/// Returns the module with its functions in an order that compresses well.
///
/// # Errors
/// If `module` is no WebAssembly module.
pub fn by_likeness(module: &[u8]) -> Result<Vec<u8>, Error> {
    let mut imported = 0;
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imported += usize::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
            _ => {}
        }
    }
    let order = chain(&bodies);
    let mut places = vec![0; order.len()];
    for (place, from) in order.iter().enumerate() {
        places[*from] = place;
    }
    let mut ordered = Module::new();
    Ordered { imported, order, places }.parse_core_module(&mut ordered, Parser::new(0), module)?;
    Ok(ordered.finish())
}

/// Returns the numbers of the bodies, from the longest on, each followed by the one most like it of those left.
fn chain(bodies: &[&[u8]]) -> Vec<usize> {
    let sketches: Vec<_> = bodies.iter().map(|body| sketch(body)).collect();
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut order = Vec::with_capacity(left.len());
    let mut last = left.iter().copied().max_by_key(|at| bodies[*at].len());
    while let Some(at) = last {
        order.push(at);
        left.retain(|other| *other != at);
        last = left.iter().copied().max_by_key(|other| {
            let common =
                sketches[at].iter().zip(&sketches[*other]).filter(|(one, other)| one == other).count();
            let longer = bodies[at].len().abs_diff(bodies[*other].len());
            (common * LENGTH).saturating_sub(longer)
        });
    }
    order
}

/// Returns the least value of each of [`SAMPLES`] hashes over the body's shingles (MinHash): of two bodies, as many are
/// equal as they have in common.
fn sketch(body: &[u8]) -> [u64; SAMPLES] {
    let shingles: BTreeSet<u64> = body
        .windows(SHINGLE)
        .map(|bytes| bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
        .collect();
    let mut least = [u64::MAX; SAMPLES];
    for shingle in shingles {
        let mut hash = shingle;
        for value in &mut least {
            // The steps of SplitMix64.
            hash = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *value = (*value).min(mixed ^ (mixed >> 31));
        }
    }
    least
}

struct Ordered {
    /// Functions that are imported have the first numbers, and keep them.
    imported: usize,
    /// The function that comes to each place.
    order: Vec<usize>,
    /// The place of each function.
    places: Vec<usize>,
}

impl Reencode for Ordered {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, Error> {
        let own = (func as usize).checked_sub(self.imported);
        Ok(own.map_or(func, |own| (self.imported + self.places[own]) as u32))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        let types: Vec<u32> = section.into_iter().collect::<Result<_, BinaryReaderError>>()?;
        for from in &self.order {
            functions.function(types[*from]);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error> {
        let bodies: Vec<_> = section.into_iter().collect::<Result<_, BinaryReaderError>>()?;
        for from in self.order.clone() {
            self.parse_function_body(code, bodies[from].clone())?;
        }
        Ok(())
    }
}
