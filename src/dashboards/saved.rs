//! Saved objects as OpenSearch Dashboards exports and imports them: an index pattern,
//! visualizations, searches and a dashboard. What they say is JSON in strings within JSON.

use serde_json::{Value, json};

use super::{Filters, Grouping, Measure, NamedFilter, Panel, Picture, Sheet, Values};

/// Columns of a dashboard.
const WIDTH: usize = 48;

/// The dashboard `name` with all it refers to. `key` stands for the index in ids, whatever its name
/// is.
pub(super) fn of_dashboard(name: &str, key: &str, index: &str, sheet: &Sheet) -> Vec<Value> {
    let dashboard = sheet
        .dashboards
        .iter()
        .find(|dashboard| dashboard.name == name)
        .unwrap_or_else(|| panic!("{name} is described"));
    let pattern = format!("erp-index-{key}");
    let attributes = json!({ "title": index, "timeFieldName": sheet.time });
    let mut objects = vec![object("index-pattern", &pattern, "7.6.0", &attributes, &json!([]))];
    let mut places = Vec::new();
    let mut references = Vec::new();
    let mut y = 0;
    for row in &dashboard.rows {
        let panels: Vec<&Panel> = row.iter().map(|name| sheet.panel(name)).collect();
        let w = WIDTH / row.len();
        let h = panels.iter().map(|panel| panel.height()).max().unwrap_or_default();
        for (x, panel) in panels.iter().enumerate() {
            let saved = saved_panel(panel, &pattern, sheet);
            let n = places.len();
            places.push(json!({
                "version": "7.10.0",
                "panelIndex": n.to_string(),
                "gridData": { "x": x * w, "y": y, "w": w, "h": h, "i": n.to_string() },
                "embeddableConfig": {},
                "panelRefName": format!("panel_{n}"),
            }));
            references.push(json!({
                "name": format!("panel_{n}"), "type": saved["type"], "id": saved["id"],
            }));
            objects.push(saved);
        }
        y += h;
    }
    let attributes = json!({
        "title": dashboard.title,
        "description": dashboard.description,
        "hits": 0,
        "version": 1,
        "panelsJSON": Value::from(places).to_string(),
        "optionsJSON": json!({ "hidePanelTitles": false, "useMargins": true }).to_string(),
        "timeRestore": true,
        "timeFrom": "now-30d",
        "timeTo": "now",
        "kibanaSavedObjectMeta": { "searchSourceJSON": search_source("", None) },
    });
    let id = format!("erp-dashboard-{name}");
    objects.push(object("dashboard", &id, "7.9.3", &attributes, &references.into()));
    objects
}

impl Sheet {
    fn panel(&self, name: &str) -> &Panel {
        self.panels.iter().find(|panel| panel.name == name).expect("a panel of this name")
    }
}

impl Panel {
    fn height(&self) -> usize {
        match self.show {
            Picture::Numbers => 7,
            Picture::Table | Picture::Shares | Picture::Days => 15,
            Picture::Records => 20,
        }
    }
}

/// `migration` is the version of the form in which it is written.
fn object(kind: &str, id: &str, migration: &str, attributes: &Value, references: &Value) -> Value {
    json!({
        "id": id,
        "type": kind,
        "attributes": attributes,
        "references": references,
        "migrationVersion": { kind: migration },
    })
}

/// A query, and the reference by which it names its index.
fn search_source(query: &str, index: Option<&str>) -> String {
    let mut source = json!({ "query": { "language": "lucene", "query": query }, "filter": [] });
    if let Some(index) = index {
        source["indexRefName"] = index.into();
    }
    source.to_string()
}

fn saved_panel(panel: &Panel, pattern: &str, sheet: &Sheet) -> Value {
    const REFERENCE: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";
    let mut attributes = json!({
        "title": panel.title,
        "description": "",
        "version": 1,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": search_source(&panel.r#where, Some(REFERENCE)),
        },
    });
    let references = json!([{ "name": REFERENCE, "type": "index-pattern", "id": pattern }]);
    let id = format!("erp-panel-{}", panel.name);
    if panel.show == Picture::Records {
        attributes["columns"] = json!(panel.columns);
        attributes["sort"] = json!([[sheet.time, "desc"]]);
        attributes["hits"] = 0.into();
        return object("search", &id, "7.9.3", &attributes, &references);
    }
    let (kind, params) = picture(panel, sheet);
    let state = json!({
        "title": panel.title, "type": kind, "params": params, "aggs": aggregations(panel, sheet),
    });
    attributes["visState"] = state.to_string().into();
    attributes["uiStateJSON"] = "{}".into();
    object("visualization", &id, "7.10.0", &attributes, &references)
}

/// The measures, numbered from 1, and behind them the groups, the outermost first.
fn aggregations(panel: &Panel, sheet: &Sheet) -> Vec<Value> {
    let measures = panel.measures.iter().map(|name| {
        let Measure { title, take, field } = &sheet.measures[name];
        let mut params = json!({ "customLabel": title });
        if let Some(field) = field {
            params["field"] = field.as_str().into();
        }
        (take.as_str(), "metric", params)
    });
    let schema = match panel.show {
        Picture::Table => "bucket",
        Picture::Days => "group",
        _ => "segment",
    };
    let groups = panel.by.iter().enumerate().map(|(n, name)| {
        let (kind, params) = group(&sheet.groups[name], n == 0);
        (kind, schema, params)
    });
    let day = (panel.show == Picture::Days).then(|| {
        let params = json!({
            "field": sheet.time, "interval": "d", "min_doc_count": 1, "drop_partials": false,
            "extended_bounds": {}, "customLabel": "Day",
        });
        ("date_histogram", "segment", params)
    });
    let all = measures.chain(groups).chain(day).enumerate();
    all.map(|(n, (kind, schema, params))| {
        let id = (n + 1).to_string();
        json!({ "id": id, "enabled": true, "type": kind, "schema": schema, "params": params })
    })
    .collect()
}

/// What does not fit into the outermost group is shown as one more value.
fn group(group: &Grouping, outermost: bool) -> (&'static str, Value) {
    match group {
        Grouping::Values(Values { title, field, size, only_told }) => {
            let params = json!({
                "field": field, "size": size, "order": "desc", "orderBy": "1",
                "otherBucket": outermost && !only_told, "otherBucketLabel": "Other",
                "missingBucket": !only_told, "missingBucketLabel": "Not told",
                "customLabel": title,
            });
            ("terms", params)
        }
        Grouping::Filters(Filters { filters }) => {
            let filter = |filter: &NamedFilter| {
                let query = json!({ "language": "lucene", "query": filter.r#where });
                json!({ "input": query, "label": filter.title })
            };
            ("filters", json!({ "filters": filters.iter().map(filter).collect::<Vec<_>>() }))
        }
    }
}

/// What kind of visualization it is, and how it is drawn.
fn picture(panel: &Panel, sheet: &Sheet) -> (&'static str, Value) {
    match panel.show {
        Picture::Numbers => ("metric", numbers()),
        Picture::Shares => ("pie", shares()),
        Picture::Days => {
            let titles = panel.measures.iter().map(|name| sheet.measures[name].title.as_str());
            ("histogram", bars(&titles.collect::<Vec<_>>()))
        }
        Picture::Table | Picture::Records => ("table", table()),
    }
}

fn numbers() -> Value {
    json!({
        "type": "metric", "addTooltip": true, "addLegend": false,
        "metric": {
            "percentageMode": false, "useRanges": false, "colorSchema": "Green to Red",
            "metricColorMode": "None", "colorsRange": [{ "from": 0, "to": 10000 }],
            "labels": { "show": true }, "invertColors": false,
            "style": {
                "bgFill": "#000", "bgColor": false, "labelColor": false, "subText": "",
                "fontSize": 36,
            },
        },
    })
}

fn shares() -> Value {
    json!({
        "type": "pie", "addTooltip": true, "addLegend": true, "legendPosition": "right",
        "isDonut": true,
        "labels": { "show": false, "values": true, "last_level": true, "truncate": 100 },
    })
}

fn table() -> Value {
    json!({
        "perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false,
        "showTotal": false, "totalFunc": "sum", "percentageCol": "",
    })
}

fn bars(measures: &[&str]) -> Value {
    let series = measures.iter().enumerate().map(|(n, title)| {
        json!({
            "show": true, "type": "histogram", "mode": "stacked", "valueAxis": "ValueAxis-1",
            "data": { "id": (n + 1).to_string(), "label": title },
            "drawLinesBetweenPoints": true, "lineWidth": 2, "showCircles": true,
        })
    });
    json!({
        "type": "histogram", "grid": { "categoryLines": false },
        "categoryAxes": [{
            "id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true,
            "scale": { "type": "linear" }, "title": {},
            "labels": { "show": true, "filter": true, "truncate": 100 },
        }],
        "valueAxes": [{
            "id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left",
            "show": true, "scale": { "type": "linear", "mode": "normal" },
            "title": { "text": measures.join(", ") },
            "labels": { "show": true, "rotate": 0, "filter": false, "truncate": 100 },
        }],
        "seriesParams": series.collect::<Vec<_>>(),
        "addTooltip": true, "addLegend": true, "legendPosition": "right", "times": [],
        "addTimeMarker": false, "labels": { "show": false },
        "thresholdLine": {
            "show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C",
        },
    })
}
