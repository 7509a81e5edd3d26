//! Makes the JavaScript of a WebAssembly module: `moq-mls-bindgen MODULE.wasm FOLDER`.

mod order;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [module, folder] = arguments.as_slice() else {
        eprintln!("usage: moq-mls-bindgen MODULE.wasm FOLDER");
        return ExitCode::from(2);
    };
    match make(Path::new(module), Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

fn make(module: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut bindgen = Bindgen::new();
    // The public types are kept by hand; names and producers would only add bytes.
    bindgen.input_path(module).typescript(false).remove_name_section(true).remove_producers_section(true);
    bindgen.web(true)?.generate(folder)?;
    let name = module.file_stem().ok_or("the module has no name")?.to_string_lossy();
    let made = folder.join(format!("{name}_bg.wasm"));
    fs::write(&made, order::by_likeness(&fs::read(&made)?)?)?;
    Ok(())
}
