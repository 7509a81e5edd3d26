//! Times in headers (RFC 9110 section 5.6.7): what time a service says it is, and for how long it asks to be left alone.

use std::time::Duration;

use crate::counter::http::message::HttpResponse;
use crate::counter::json;
use crate::time::Timestamp;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: u64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const ERA: u64 = 146_097;
/// Days from 1 March of year 0 to 1 January 1970.
const EPOCH: u64 = 719_468;

/// Reads the `Date` of a response, whole seconds: when its service made it (RFC 9110 section 6.6.1). `None` without
/// one, with several, and for anything but an IMF-fixdate of a day that exists.
///
/// Pass it on by [`Event::ServiceTime`](crate::Event::ServiceTime), if the response is one that could be read.
pub fn decode_date(response: &HttpResponse) -> Option<Timestamp> {
    let mut lines = response.headers.get_all("date");
    match (lines.next(), lines.next()) {
        (Some(line), None) => parse(line),
        _ => None,
    }
}

/// Reads for how long a service asks to be left alone: the `Retry-After` of a 429 or 503 (RFC 9110 section 10.2.3), in
/// seconds, or as a date, which is compared with the response's own. `None` if it does not ask.
///
/// Pass it on by [`Event::RetryAfter`](crate::Event::RetryAfter).
pub fn decode_retry_after(response: &HttpResponse) -> Option<Duration> {
    if !matches!(response.status, 429 | 503) {
        return None;
    }
    let value = response.headers.get("retry-after")?;
    let seconds = std::str::from_utf8(value).ok().and_then(json::decimal);
    seconds.map(Duration::from_secs).or_else(|| Some(parse(value)?.since(decode_date(response)?)))
}

/// Writes a time as an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`. The last that fits is the end of year 9999.
pub fn encode_date(at: Timestamp) -> String {
    const LAST: u64 = 253_402_300_799;
    let secs = at.as_secs().min(LAST);
    let days = secs / DAY;
    // Years that begin in March: the odd day is the last.
    let shifted = days + EPOCH;
    let (era, day_of_era) = (shifted / ERA, shifted % ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let (hour, minute, second) = (secs % DAY / 3600, secs % 3600 / 60, secs % 60);
    let name = |names: &[&'static str], at: u64| {
        usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
    };
    let (weekday, month) = (name(&DAYS, days % 7), name(&MONTHS, month));
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Reads an IMF-fixdate; a leap second is the second after.
fn parse(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    let [weekday, day, month, year, time, "GMT"] = text.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
    let [hour, minute, second] = [digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?];
    let (day, year) = (digits(day, 2)?, digits(year, 4)?);
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    if hour > 23 || minute > 59 || second > 60 || day == 0 || year < 1970 {
        return None;
    }
    let from_march = (month + 10) % 12;
    let year = year - u64::from(month < 2);
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 + day - 1;
    let at = Timestamp::from_secs((days - EPOCH) * DAY + hour * 3600 + minute * 60 + second.min(59));
    // Of a day that does not exist, or is another day of the week, another text would be made.
    let written = encode_date(at);
    let same_day = written.get(..16) == text.get(..16) && weekday.len() == 4;
    same_day.then(|| if second == 60 { at.after(Duration::from_secs(1)) } else { at })
}

fn digits(text: &str, len: usize) -> Option<u64> {
    let all = text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::counter::http::Headers;

    fn response(status: u16, lines: &[(&'static str, &'static str)]) -> HttpResponse {
        let headers: Headers = lines.iter().copied().collect();
        HttpResponse { status, headers, body: bytes::Bytes::new() }
    }

    fn date(value: &'static str) -> Option<u64> {
        decode_date(&response(200, &[("date", value)])).map(Timestamp::as_secs)
    }

    #[test]
    fn dates_are_read_as_the_standard_writes_them() {
        for (text, secs) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] {
            assert_eq!(date(text), Some(secs), "{text}");
            assert_eq!(encode_date(Timestamp::from_secs(secs)), text);
        }
        assert_eq!(date("Sat, 31 Dec 2016 23:59:60 GMT"), Some(1_483_228_800));
        assert_eq!(encode_date(Timestamp::from_millis(u64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn every_day_of_four_centuries_reads_back() {
        for day in 0..ERA + 366 {
            let at = Timestamp::from_secs(day * DAY + day % DAY);
            assert_eq!(parse(encode_date(at).as_bytes()), Some(at), "{day}");
        }
    }

    #[test]
    fn what_is_no_such_date_is_none() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Wed, 30 Feb 1994 08:49:37 GMT",
            "Wed, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 +8:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "784111777",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
        let twice = [("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(decode_date(&response(200, &twice)), None);
        assert_eq!(parse(&[0xFF; 29]), None);
    }

    #[test]
    fn a_service_may_ask_to_be_left_alone_in_seconds_or_until_a_date() {
        let wait = |status, lines: &[_]| decode_retry_after(&response(status, lines)).map(|d| d.as_secs());
        assert_eq!(wait(429, &[("Retry-After", "120")]), Some(120));
        assert_eq!(wait(503, &[("retry-after", "0")]), Some(0));
        assert_eq!(wait(409, &[("Retry-After", "120")]), None);
        assert_eq!(wait(503, &[]), None);
        assert_eq!(wait(503, &[("Retry-After", "soon")]), None);
        let until = ("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait(503, &[until]), None, "no clock but the service's own is asked");
        assert_eq!(wait(503, &[until, ("Date", "Sun, 06 Nov 1994 08:49:07 GMT")]), Some(30));
        assert_eq!(wait(503, &[until, ("Date", "Mon, 07 Nov 1994 08:49:07 GMT")]), Some(0));
    }
}
