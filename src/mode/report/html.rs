//! HTML: the view as one file that needs no other, without any script. The template escapes all
//! that it is given.

use std::io::{self, Write};

use askama::Template;

use super::view::View;

#[derive(Template)]
#[template(path = "mode/report/page.html")]
struct ReportPage<'v> {
    view: &'v View,
}

pub(super) fn write(view: &View, out: &mut impl Write) -> io::Result<()> {
    ReportPage { view }.write_into(out)
}
