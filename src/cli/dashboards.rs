//! What `dashboards` can be asked for.

use clap::{Args, Subcommand};

use crate::dashboards::Name;

/// `dashboards`.
#[derive(Debug, Subcommand)]
pub enum DashboardsCommand {
    /// Write a file of saved objects for OpenSearch Dashboards to standard output
    Print {
        /// Only these dashboards, with what they need
        #[arg(value_enum, value_name = "DASHBOARD")]
        names: Vec<Name>,
    },
    /// Put the dashboards into OpenSearch Dashboards, in place of earlier ones of this program
    Install(InstallFlags),
}

/// `dashboards install`.
#[derive(Args, Debug)]
pub struct InstallFlags {
    /// Only these dashboards, with what they need
    #[arg(value_enum, value_name = "DASHBOARD")]
    pub names: Vec<Name>,
    /// URL of OpenSearch Dashboards
    ///
    /// With the path below which it is served, if there is one. User, password and certificate
    /// authorities are those of the flags for OpenSearch.
    #[arg(long, value_name = "URL")]
    pub dashboards_url: String,
    /// The tenant who is to have them, such as global [default: the user's own choice]
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
}
