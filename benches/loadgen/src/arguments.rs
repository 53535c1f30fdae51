//! The command line: `--name value` pairs, each required unless it has a default here.

use std::fmt::Display;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What each client does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// One connection for the whole run, one request after the other on it.
    Kept,
    /// A new connection for each request.
    PerRequest,
}

/// Where the server is, and over what it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A TCP port.
    Tcp(SocketAddrV4),
    /// A Unix stream socket.
    Unix(PathBuf),
    /// A UDP port.
    Udp(SocketAddrV4),
}

impl FromStr for Address {
    type Err = std::net::AddrParseError;

    /// `127.0.0.1:80`, `unix:` and a path, or `udp:127.0.0.1:80`.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        if let Some(path) = word.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        match word.strip_prefix("udp:") {
            Some(address) => address.parse().map(Self::Udp),
            None => word.parse().map(Self::Tcp),
        }
    }
}

/// Everything the command line decides.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// The server.
    pub(crate) address: Address,
    /// How many clients run at the same time, each with at most one request in flight. Over UDP they share a socket.
    pub(crate) clients: usize,
    /// Bytes in a request.
    pub(crate) request_len: usize,
    /// Bytes in a reply. Equal to `request_len` means an echo, whose content is compared as well.
    pub(crate) reply_len: usize,
    /// Whether connections are kept.
    pub(crate) lifetime: Lifetime,
    /// How long each client rests between a reply and its next request.
    pub(crate) pause: Duration,
    /// How long to load the server before the figures count.
    pub(crate) warm_up: Duration,
    /// How long new requests are started while the figures count.
    pub(crate) window: Duration,
    /// The core to stay on; anywhere if absent.
    pub(crate) core: Option<usize>,
}

impl Arguments {
    /// Read `--name value` pairs. The error is a sentence for the user.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let words: Vec<String> = words.collect();
        let value = |name: &str| {
            let at = words.iter().position(|word| word == name)?;
            words.get(at + 1).map(String::as_str)
        };
        Ok(Self {
            address: required("--address", value("--address"))?,
            clients: required("--clients", value("--clients"))?,
            request_len: required("--request", value("--request"))?,
            reply_len: required("--reply", value("--reply"))?,
            lifetime: match value("--lifetime") {
                None | Some("kept") => Lifetime::Kept,
                Some("per-request") => Lifetime::PerRequest,
                Some(other) => {
                    return Err(format!("--lifetime is kept or per-request, not {other}"));
                }
            },
            pause: Duration::from_micros(required("--pause-us", value("--pause-us"))?),
            warm_up: Duration::from_millis(required("--warm-up-ms", value("--warm-up-ms"))?),
            window: Duration::from_millis(required("--window-ms", value("--window-ms"))?),
            core: value("--core")
                .map(|core| required("--core", Some(core)))
                .transpose()?,
        })
    }
}

fn required<T: FromStr<Err: Display>>(name: &str, value: Option<&str>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("{name} is missing"))?;
    value
        .parse()
        .map_err(|error| format!("{name} cannot be {value:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{Address, Arguments, Lifetime};

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn a_full_line_is_understood() -> Result<(), String> {
        let arguments = parse(
            "--address 127.0.0.1:80 --clients 3 --request 8 --reply 9 \
             --pause-us 5 --warm-up-ms 1 --window-ms 2 --core 1",
        )?;
        assert_eq!((arguments.clients, arguments.reply_len), (3, 9));
        assert_eq!(
            (arguments.lifetime, arguments.core),
            (Lifetime::Kept, Some(1))
        );
        Ok(())
    }

    #[test]
    fn an_address_says_over_what_the_server_is_reached() -> Result<(), std::net::AddrParseError> {
        let there = "127.0.0.1:80".parse()?;
        assert_eq!("127.0.0.1:80".parse(), Ok(Address::Tcp(there)));
        assert_eq!("udp:127.0.0.1:80".parse(), Ok(Address::Udp(there)));
        assert_eq!("unix:/a".parse(), Ok(Address::Unix("/a".into())));
        assert!("udp:/a".parse::<Address>().is_err());
        Ok(())
    }

    #[test]
    fn a_missing_or_senseless_value_is_named() {
        assert_eq!(parse("").map(|_| ()), Err("--address is missing".into()));
        assert_eq!(
            parse("--clients many --address 127.0.0.1:80").map(|_| ()),
            Err("--clients cannot be \"many\": invalid digit found in string".into())
        );
    }
}
