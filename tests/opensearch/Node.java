// A single OpenSearch node in this process, for tests: started by tests/opensearch/run.
// Arguments are settings, key=value. Properties: erp.home (data, logs and configuration go
// below it; without it a temporary folder, removed at the end), erp.stdin (stop at its end),
// erp.verbose (log to standard error), erp.train (a few requests, then stop).

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.logging.log4j.core.config.builder.api.ConfigurationBuilderFactory;
import org.opensearch.Version;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.settings.Settings;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.env.Environment;
import org.opensearch.gateway.GatewayService;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.plugins.Plugin;
import org.opensearch.plugins.PluginInfo;

public class Node extends org.opensearch.node.Node {
	private static final String[] MODULES = {
		"org.opensearch.transport.Netty4ModulePlugin",
		"org.opensearch.painless.PainlessModulePlugin",
		"org.opensearch.ingest.common.IngestCommonModulePlugin",
		"org.opensearch.index.mapper.MapperExtrasModulePlugin",
		"org.opensearch.index.reindex.ReindexModulePlugin",
		"org.opensearch.analysis.common.CommonAnalysisModulePlugin",
		"org.opensearch.search.aggregations.matrix.MatrixAggregationModulePlugin",
		"org.opensearch.geo.GeoModulePlugin",
	};

	/** Data, logs and configuration. */
	private static Path home;

	/** What the shutdown hook has to close and to remove; null before it exists. */
	private static Node node;
	private static Path temporary;
	private static boolean stopping;
	private static final Object LOCK = new Object();

	private Node(Environment environment, Collection<PluginInfo> plugins) {
		super(environment, plugins, false);
	}

	public static void main(String[] arguments) throws Exception {
		// standard output has the READY line and nothing else, whatever a library prints
		PrintStream out = System.out;
		System.setOut(System.err);
		Runtime.getRuntime().addShutdownHook(new Thread(Node::stop, "stop"));
		if (Boolean.getBoolean("erp.stdin")) {
			Thread reader = new Thread(Node::awaitEndOfInput, "stdin");
			reader.setDaemon(true);
			reader.start();
		}
		try {
			home = home();
			log();
			Node started = start(settings(arguments));
			String address = address(started);
			if (Boolean.getBoolean("erp.train")) {
				train(address);
				System.exit(0);
			}
			out.println("READY " + address + " pid=" + ProcessHandle.current().pid());
			out.flush();
			new CountDownLatch(1).await();
		} catch (Throwable error) {
			synchronized (LOCK) {
				if (!stopping) {
					report(error);
				}
			}
			System.exit(1);
		}
	}

	private static Path home() throws IOException {
		String given = System.getProperty("erp.home");
		if (given != null) {
			return Path.of(given);
		}
		synchronized (LOCK) {
			if (stopping) {
				throw new IllegalStateException("stopped while starting");
			}
			temporary = Files.createTempDirectory("opensearch.");
			return temporary;
		}
	}

	private static Settings settings(String[] arguments) {
		Settings.Builder given = Settings.builder();
		for (String argument : arguments) {
			int equals = argument.indexOf('=');
			// a list may be written with commas, the server itself splits it
			given.put(argument.substring(0, equals), argument.substring(equals + 1));
		}
		Settings.Builder all = Settings.builder()
			.put("path.home", home)
			.put("path.data", home.resolve("data"))
			.put("path.logs", home.resolve("logs"))
			.put("cluster.name", "test")
			.put("node.name", "node")
			.put("network.host", "127.0.0.1")
			.put("http.port", "0")
			.put("transport.port", "0")
			.put("cluster.routing.allocation.disk.threshold_enabled", false);
		if (given.keys().stream().noneMatch(key -> key.startsWith("discovery.") || key.startsWith("cluster.initial_"))) {
			all.put("discovery.type", "single-node");
		}
		return all.put(given.build()).build();
	}

	private static Node start(Settings settings) throws Exception {
		Path config = Files.createDirectories(home.resolve("config"));
		List<PluginInfo> plugins = new ArrayList<>();
		for (String module : MODULES) {
			String name = Class.forName(module).asSubclass(Plugin.class).getName();
			plugins.add(new PluginInfo(name, name, "NA", Version.CURRENT, "21", name, null, List.of(), false));
		}
		Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), config, () -> "node");
		Node made = new Node(environment, plugins);
		synchronized (LOCK) {
			if (stopping) {
				throw new IllegalStateException("stopped while starting");
			}
			node = made;
		}
		made.start();

		// start() gives up waiting for a cluster after a while; READY means that there is one
		ClusterService cluster = made.injector().getInstance(ClusterService.class);
		while (cluster.state().blocks().hasGlobalBlock(GatewayService.STATE_NOT_RECOVERED_BLOCK)) {
			Thread.sleep(10);
		}
		if ("single-node".equals(settings.get("discovery.type"))) {
			// indices of an earlier run in the same folder open only now
			made.client().admin().cluster().prepareHealth().setWaitForYellowStatus()
				.setTimeout(TimeValue.timeValueSeconds(30)).get();
		}
		return made;
	}

	private static String address(Node node) {
		var bound = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress();
		return "http://" + bound.getAddress() + ":" + bound.getPort();
	}

	private static void awaitEndOfInput() {
		try {
			byte[] ignored = new byte[4096];
			while (System.in.read(ignored) >= 0) {
				// only the end counts
			}
		} catch (IOException error) {
			// as good as its end
		}
		System.exit(0);
	}

	private static void stop() {
		Node running;
		synchronized (LOCK) {
			stopping = true;
			running = node;
		}
		try {
			if (running != null) {
				running.close();
			}
		} catch (IOException error) {
			System.err.println("tests/opensearch: closing the node: " + error);
		}
		if (temporary != null) {
			// a thread of a node that was still starting may write a file in between
			for (int attempt = 0; attempt < 10 && Files.exists(temporary); attempt++) {
				try {
					remove(temporary);
				} catch (IOException | UncheckedIOException error) {
					// tried again
				}
			}
		}
	}

	private static void remove(Path folder) throws IOException {
		Files.walkFileTree(folder, new SimpleFileVisitor<>() {
			@Override
			public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
				Files.deleteIfExists(file);
				return FileVisitResult.CONTINUE;
			}

			@Override
			public FileVisitResult postVisitDirectory(Path path, IOException error) throws IOException {
				Files.deleteIfExists(path);
				return FileVisitResult.CONTINUE;
			}
		});
	}

	private static void log() {
		var builder = ConfigurationBuilderFactory.newConfigurationBuilder();
		builder.setStatusLevel(Level.ERROR);
		// else it ends the log before the node has stopped
		builder.setShutdownHook("disable");
		var layout = builder.newLayout("PatternLayout").addAttribute("pattern", "[%d{ISO8601}][%-5p][%c{1.}] %marker%m%n");
		var appender = Boolean.getBoolean("erp.verbose")
			? builder.newAppender("log", "Console").addAttribute("target", "SYSTEM_ERR")
			: builder.newAppender("log", "File").addAttribute("fileName", home.resolve("logs").resolve("node.log").toString());
		builder.add(appender.add(layout));
		builder.add(builder.newRootLogger(Level.INFO).add(builder.newAppenderRef("log")));
		Configurator.initialize(builder.build());
	}

	/** The reason of a failed start, with its causes, a line each. */
	private static void report(Throwable error) {
		System.err.println("tests/opensearch: the node did not start: " + error);
		for (Throwable cause = error.getCause(); cause != null; cause = cause.getCause()) {
			System.err.println("  because: " + cause);
		}
	}

	/** What most tests do, so that its classes are in the archive that makes the next start quicker. */
	private static void train(String address) throws IOException {
		request("PUT", address + "/_index_template/train", """
			{"index_patterns": ["train*"], "template": {"mappings": {"properties": {"a": {"type": "ip"}}}}}""");
		request("POST", address + "/_bulk?refresh=true", """
			{"create": {"_index": "train", "_id": "1"}}
			{"a": "192.0.2.1", "b": "text", "c": 1, "d": "2026-01-01T00:00:00Z"}
			""");
		request("POST", address + "/train/_search", "{\"query\": {\"term\": {\"a\": \"192.0.2.1\"}}}");
		request("GET", address + "/_cluster/health", null);
		request("DELETE", address + "/train", null);
	}

	private static void request(String method, String url, String body) throws IOException {
		HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
		connection.setRequestMethod(method);
		if (body != null) {
			connection.setDoOutput(true);
			connection.setRequestProperty("Content-Type", "application/json");
			connection.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
		}
		if (connection.getResponseCode() >= 300) {
			throw new IOException(method + " " + url + ": " + connection.getResponseCode());
		}
		connection.getInputStream().readAllBytes();
	}
}
