//! What is asked for on the command line.

pub(crate) const HELP: &str = "\
crowd: a thousand people join at once, and what it costs the committer

  --growth              a table from 10 to 5,000 joiners instead, and the plot's data
  --joiners N           one round of N joiners, at least 1, and whose the time is
  --credential-bytes N  a thousand credentials of N bytes, at least 1, as of X.509 chains
  --suite x-wing        a thousand HPKE keys of 1,216 bytes; with --credential-bytes, both
  -h, --help            this text";

/// What to measure.
pub(crate) enum Options {
    Figures,
    Growth,
    Joiners(usize),
    Heavy { x_wing: bool, credential: Option<usize> },
}

impl Options {
    /// `None`: help is asked for.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let (mut growth, mut x_wing, mut joiners, mut credential) = (false, false, None, None);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--growth" => growth = true,
                "--joiners" => joiners = Some(number(&value()?)?),
                "--credential-bytes" => credential = Some(number(&value()?)?),
                "--suite" => match value()?.as_str() {
                    "x-wing" => x_wing = true,
                    other => return Err(format!("no suite {other}: x-wing is one")),
                },
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("no option {other}; --help names them")),
            }
        }
        Ok(Some(match (growth, joiners, x_wing || credential.is_some()) {
            (false, None, false) => Self::Figures,
            (true, None, false) => Self::Growth,
            (false, Some(joiners), false) => Self::Joiners(joiners),
            (false, None, true) => Self::Heavy { x_wing, credential },
            _ => return Err("these options do not go together; --help names them".into()),
        }))
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text} is no number of 1 or more"))
}
