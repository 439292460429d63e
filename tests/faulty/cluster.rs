//! Three nodes with replicas: whichever one goes, the others have everything that was acknowledged.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use super::{LeftOut, Size, compare, seed};
use crate::support::{
    corpus::Corpus,
    nginx::free_port,
    program::{Running, TestMaildir, wait_until},
    server::OpenSearch,
};

const NODES: usize = 3;
const WAIT: Duration = Duration::from_mins(3);

struct Cluster {
    /// Nothing for a node that is down. They end before their folder goes.
    nodes: Vec<Option<OpenSearch>>,
    folder: TempDir,
    /// How long nodes may take to have all shards again.
    recovery: Duration,
    http: Vec<u16>,
    transport: Vec<u16>,
}

impl Cluster {
    fn start(size: Size) -> Result<Cluster, String> {
        let ports = || (0..NODES).map(|_| free_port()).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let recovery = size.of(WAIT, WAIT * 10);
        let mut cluster =
            Cluster { folder, recovery, http: ports(), transport: ports(), nodes: Vec::new() };
        // None is ready before it has found another.
        let started: Vec<_> = thread::scope(|scope| {
            let arguments = (0..NODES).map(|n| cluster.arguments(n));
            let threads: Vec<_> =
                arguments.map(|arguments| scope.spawn(move || launch(&arguments))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a node")).collect()
        });
        for node in started {
            cluster.nodes.push(Some(node?));
        }
        Ok(cluster)
    }

    fn arguments(&self, n: usize) -> Vec<String> {
        let seeds: Vec<String> =
            self.transport.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let data: PathBuf = self.folder.path().join(format!("n{n}"));
        vec![
            "--heap 512m".to_owned(),
            format!("--data {}", data.display()),
            format!("--port {}", self.http[n]),
            format!("transport.port={}", self.transport[n]),
            format!("node.name=n{n}"),
            format!("discovery.seed_hosts={}", seeds.join(",")),
            "cluster.initial_cluster_manager_nodes=n0,n1,n2".to_owned(),
            // A node that was killed comes back soon.
            "cluster.routing.allocation.node_concurrent_recoveries=8".to_owned(),
        ]
    }

    fn url(&self, n: usize) -> String {
        format!("http://127.0.0.1:{}", self.http[n])
    }

    /// A node that is up.
    fn any(&self) -> &OpenSearch {
        self.nodes.iter().flatten().next().expect("two of three are up")
    }

    fn wait_for_green(&self) {
        wait_until("a green cluster", self.recovery, || {
            let health = self.any().get("/_cluster/health");
            health["status"] == "green" && health["number_of_nodes"] == NODES
        });
    }

    fn manager(&self) -> usize {
        let answer = self.any().get("/_cat/cluster_manager?format=json");
        let name = answer[0]["node"].as_str().expect("a manager");
        name.trim_start_matches('n').parse().expect("a number")
    }

    /// Ends a node, politely or not, and starts it again.
    fn restart(&mut self, n: usize, kill: bool, meanwhile: Duration) {
        let node = self.nodes[n].take().expect("it is up");
        if kill {
            node.kill();
        } else {
            drop(node);
        }
        thread::sleep(meanwhile);
        self.nodes[n] = Some(launch(&self.arguments(n)).expect("the second time, too"));
        self.wait_for_green();
    }
}

fn launch(arguments: &[String]) -> Result<OpenSearch, String> {
    let words: Vec<&str> = arguments.iter().flat_map(|argument| argument.split(' ')).collect();
    OpenSearch::launch(&words).map_err(str::to_owned)
}

pub fn run(size: Size) -> LeftOut {
    let mut cluster = Cluster::start(size)?;
    let corpus = Corpus { seed: seed(), ..Corpus::new(size.of(4000, 130_000)) };
    let manifest = corpus.manifest();
    let maildir = TestMaildir::new();
    let mut arguments = vec!["watch".to_owned(), "-v".to_owned(), "--bulk-bytes=1MiB".to_owned()];
    (0..NODES).for_each(|n| arguments.extend(["--opensearch".to_owned(), cluster.url(n)]));
    arguments.push(maildir.path().display().to_string());
    let running = Running::start(&arguments);

    maildir.deliver_all(corpus.iter().take(100));
    wait_until("the first mails", WAIT, || maildir.count("new") == 0);
    let indices = "/dmarc-reports,tlsrpt-reports";
    cluster
        .any()
        .put(&format!("{indices}/_settings"), &json!({ "index": { "number_of_replicas": 1 } }));
    cluster.wait_for_green();

    let hurry = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for mail in corpus.iter().skip(100) {
                maildir.deliver(&mail.name, &mail.bytes);
                if !hurry.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(size.of(20, 1)));
                }
            }
        });
        let pause = size.of(Duration::from_secs(1), Duration::from_secs(20));
        println!("     the node in use is killed");
        cluster.restart(0, true, pause);
        let manager = cluster.manager();
        println!("     the cluster manager is killed");
        cluster.restart(manager, true, pause);
        println!("     restarted one after the other");
        (0..size.of(1, NODES)).for_each(|n| cluster.restart(n, false, Duration::ZERO));
        hurry.store(true, Ordering::Relaxed);
    });
    wait_until("the last mails", size.of(WAIT, Duration::from_hours(1)), || {
        maildir.count("new") == 0
    });
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
    println!("     {} records, {} policies", manifest.dmarc.records, manifest.tls.policies);
    compare::opensearch(cluster.any(), "", &manifest);
    compare::settled(&maildir, &manifest);
    Ok(())
}

/// Three machines, each with a watcher of its own: some mails reach two of them, a node is killed,
/// and all go into indices by month that none of them finds there.
pub fn several_watchers(size: Size) -> LeftOut {
    let mut cluster = Cluster::start(size)?;
    let corpus = Corpus { seed: seed(), ..Corpus::new(size.of(1500, 30_000)) };
    let manifest = corpus.manifest();
    let maildirs: Vec<TestMaildir> = (0..NODES).map(|_| TestMaildir::new()).collect();
    let watchers: Vec<Running> = maildirs
        .iter()
        .enumerate()
        .map(|(n, maildir)| {
            let mut arguments =
                ["watch", "-v", "--replicas=1", "--bulk-bytes=256KiB"].map(str::to_owned).to_vec();
            // Each has another node first.
            (0..NODES).for_each(|turn| {
                arguments.extend(["--opensearch".to_owned(), cluster.url((n + turn) % NODES)]);
            });
            for kind in ["dmarc-reports", "tlsrpt-reports"] {
                let flag = kind.split('-').next().expect("a kind");
                arguments.push(format!("--{flag}-index=many-{kind}-{{yyyy}}-{{MM}}"));
            }
            arguments.push(maildir.path().display().to_string());
            Running::start(&arguments)
        })
        .collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for (n, mail) in corpus.iter().enumerate() {
                maildirs[n % NODES].deliver(&mail.name, &mail.bytes);
                if n % 5 == 0 {
                    maildirs[(n + 1) % NODES].deliver(&mail.name, &mail.bytes);
                }
                thread::sleep(Duration::from_millis(size.of(10, 1)));
            }
        });
        thread::sleep(size.of(Duration::from_secs(5), Duration::from_secs(20)));
        println!("     a node is killed");
        cluster.restart(1, true, Duration::from_secs(1));
    });
    let left = || maildirs.iter().map(|maildir| maildir.count("new")).sum::<usize>();
    wait_until("the last mails", size.of(WAIT, Duration::from_hours(1)), || left() == 0);
    for watcher in watchers {
        let (code, log) = watcher.stop();
        assert_eq!(code, Some(0), "{log}");
    }
    let node = cluster.any();
    let counts = ["dmarc", "tlsrpt"].map(|kind| node.count(&format!("many-{kind}-reports-*")));
    assert_eq!(counts, [manifest.dmarc.records, manifest.tls.policies]);
    let sum = node.sum("many-dmarc-reports-*", "feedback.record.row.count");
    assert_eq!(sum, manifest.dmarc.count_sum);
    let indices = node.get("/_cat/indices/many-*?format=json");
    let indices = indices.as_array().expect("a list");
    assert!(indices.len() >= 4 && indices.iter().all(|index| index["rep"] == "1"), "{indices:?}");
    Ok(())
}
