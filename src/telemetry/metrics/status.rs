//! Response statuses as a closed label set.

use super::labels::Label;

/// A response status; statuses that nobody uses are one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status(usize);

impl Status {
    pub(super) fn of(status: u16) -> Self {
        Self(STATUSES.binary_search_by_key(&status, |known| known.0).unwrap_or(STATUSES.len()))
    }
}

impl Label for Status {
    const COUNT: usize = STATUSES.len() + 1;

    fn index(self) -> usize {
        self.0
    }

    fn text(self) -> &'static str {
        STATUSES.get(self.0).map_or("_OTHER", |known| known.1)
    }
}

/// In ascending order. 0: no answer was sent. 499: the caller went away.
const STATUSES: [(u16, &str); 46] = [
    (0, "0"),
    (101, "101"),
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (206, "206"),
    (300, "300"),
    (301, "301"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (307, "307"),
    (308, "308"),
    (400, "400"),
    (401, "401"),
    (402, "402"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (407, "407"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (416, "416"),
    (417, "417"),
    (418, "418"),
    (421, "421"),
    (422, "422"),
    (425, "425"),
    (428, "428"),
    (429, "429"),
    (431, "431"),
    (499, "499"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
    (505, "505"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_sorted_and_written_as_numbers() {
        assert!(STATUSES.is_sorted_by(|a, b| a.0 < b.0));
        for (status, text) in STATUSES {
            assert_eq!(status.to_string(), text);
            assert_eq!(Status::of(status).text(), text);
        }
        assert_eq!(Status::of(299).text(), "_OTHER");
        assert_eq!(Status::of(299).index(), Status::COUNT - 1);
    }
}
