// The parts of the page: tiles, alerts and why, large orders, health, track record.

function show(now) {
  var first = !shown, health = now.health;
  shown = now;
  byId("content").setAttribute("aria-busy", "false");
  byId("simulated").hidden = !health.simulated;
  offer("symbol", column(now.symbols, "symbol"));
  offer("type", column(now.alerts.alerts, "alert_type"));
  showTiles(now);
  showAlerts(now.alerts.alerts, first);
  showOrders(now.metrics);
  showHealth(health);
  showRecord(health.track_record || []);
  byId("source").textContent = "coattail " + health.version + (health.preset ? ", preset " + health.preset : "") +
    (health.newest_trade ? "; newest trade " + stamp(health.newest_trade) : "") + ". All times are UTC.";
  if (first && address.searchParams.get("alert")) { openWhy(address.searchParams.get("alert")); }
  redraw();
}

function tile(name, value, note) {
  return make("div", {}, make("dt", {}, name), make("dd", {class: "value"}, value), make("dd", {}, note));
}

function showTiles(now) {
  var health = now.health, counts = health.alerts_24h, split = make("span", {}), all = 0, partly = "";
  SEVERITIES.slice().reverse().forEach(function (name) {
    all += counts[name];
    if (counts[name]) { split.append(severity(name, counted(counts[name]) + " " + name)); }
  });
  var dollars = now.symbols.filter(function (each) { return QUOTED_IN_DOLLARS.test(each.symbol); });
  var volume = dollars.reduce(function (sum, each) { return sum + each.volume_1h; }, 0);
  var largest = orders(now.metrics, 0).sort(function (a, b) { return (b.dollars || 0) - (a.dollars || 0); })[0];
  if (now.symbols.length > now.metrics.length && !filters.symbol) { partly = "of those shown: "; }
  var where = column(health.venues, "exchange").join(", "), lag = isNumber(health.lag_seconds);
  byId("tiles").replaceChildren(
    tile("Alerts, 24 h", counted(all), all ? split : where ? "nothing unusual" : "no trades yet"),
    tile("Volume, 1 h", dollars.length ? short(volume) + " $" : "–",
      where ? plural(health.symbols, "symbol") + " on " + where : "no trades yet"),
    tile("Largest order, 24 h", largest ? short(largest.dollars) + " $" : "–", !largest ? "none so far" :
      partly + largest.symbol + (largest.side === "buy" ? " bought " : " sold ") + clock(largest.at).slice(0, 5)),
    tile("Coverage", isNumber(health.coverage_pct) ? health.coverage_pct + " %" : "–",
      health.missing ? plural(health.missing, "trade") + " missing" : where ? "no trade missing" : "no trades yet"),
    tile("Lag", lag ? lasting(health.lag_seconds) : "–",
      lag ? "from trade to table" : health.simulated ? "a simulated clock" : "nothing to measure"));
}

// -- alerts -----------------------------------------------------------------------------------------------------------

// The list does not move while somebody points at it or reads it with the keyboard.
function showAlerts(all, first) {
  var feed = byId("feed"), button = byId("fresh"), fresh = [];
  waiting = all.filter(wanted);
  waiting.forEach(function (alert) {
    if (!known.has(alert.alert_id)) { fresh.push(alert); }
    known.add(alert.alert_id);
  });
  if (!first && fresh.length) { announce(fresh); }
  if (first || !(feed.matches(":hover") || feed.contains(document.activeElement))) {
    list(first);
    return;
  }
  var there = new Set(Array.from(feed.children, function (item) { return item.dataset.id; }));
  var more = waiting.filter(function (alert) { return !there.has(alert.alert_id); }).length;
  button.hidden = !more;
  button.textContent = more + " new, show";
  times();
}

// One line, however many there are.
function announce(fresh) {
  var newest = fresh[0], where = newest.exchange ? " on " + newest.exchange : "";
  byId("said").textContent = plural(fresh.length, "new alert") + "; the newest: " + newest.severity + " " +
    spaced(newest.alert_type) + ", " + newest.symbol + where;
  if (!document.hasFocus()) { unseen += fresh.length; }
  title();
}

function title() { document.title = (unseen ? "(" + unseen + ") " : "") + "coattail live"; }

function list(first) {
  var feed = byId("feed"), there = {};
  var none = "No alerts" + (filtering() ? " by these filters." : shown.symbols.length ? ": nothing unusual so far." : ".");
  Array.from(feed.children).forEach(function (item) { there[item.dataset.id] = item; });
  feed.replaceChildren.apply(feed, waiting.map(function (alert) {
    var item = there[alert.alert_id];
    return item && item.dataset.revision === String(alert.revision) ? item : entry(alert, !first && !item);
  }));
  byId("fresh").hidden = true;
  byId("all").hidden = waiting.length < 6 || feed.classList.contains("whole");
  byId("all").textContent = "Show all " + waiting.length;
  byId("more").textContent = !waiting.length ? none : shown.alerts.has_more ?
    "The newest " + waiting.length + ". Older ones: coattail alerts" : "All that there are.";
  times();
}

function tags(alert) {
  var rare = rarity((alert.details || {}).return_days);
  return make("p", {class: "tags"}, severity(alert.severity), make("span", {}, spaced(alert.alert_type)),
    rare ? make("span", {class: "rare"}, rare) : null,
    alert.status === "final" ? null : make("span", {class: "provisional"}, alert.status));
}

function link(id, words, attributes) {
  return make("a", Object.assign({href: "?alert=" + encodeURIComponent(id), class: "why"}, attributes), words);
}

function entry(alert, recent) {
  var times = (alert.details || {}).fired, said = "Why: " + spaced(alert.alert_type) + ", " + alert.symbol;
  return make("li", {
    class: (recent ? "recent " : "") + (alert.status === "retracted" ? "retracted" : ""), "data-id": alert.alert_id,
    "data-revision": alert.revision, "data-at": alert.detected_at
  }, tags(alert), make("p", {class: "message"}, firstClause(alert.message)),
  make("p", {class: "tags"}, make("span", {}, alert.exchange || "between venues"),
    make("time", {datetime: alert.detected_at, title: stamp(alert.detected_at)}),
    times > 1 ? make("span", {}, "fired " + times + " times") : null, link(alert.alert_id, "Why", {"aria-label": said})));
}

// By the market's clock, which may be another than ours.
function times() {
  var now = Date.parse(shown.health.newest_trade) || Date.now();
  byId("feed").querySelectorAll("li").forEach(function (item) {
    var at = item.dataset.at, time = item.querySelector("time");
    var said = ago(now - Date.parse(at)) + ", " + clock(at) + " UTC";
    if (time.textContent !== said) { time.textContent = said; }
  });
}

// -- why --------------------------------------------------------------------------------------------------------------

function openWhy(id) {
  var dialog = byId("why"), close = make("button", {type: "button", class: "close"}, "Close");
  close.addEventListener("click", function () { dialog.close(); });
  dialog.replaceChildren(close, make("h2", {id: "why-title"}, "Looking it up …"));
  if (!dialog.open) { dialog.showModal(); }
  writeAddress({alert: id});
  return ask("alerts/" + encodeURIComponent(id)).then(function (got) { fillWhy(dialog, close, got); }, function (error) {
    var gone = error.status === 404 || error.status === 410;
    byId("why-title").textContent = gone ? "This alert is not kept here any more" : "No answer (" + error.message + ")";
    dialog.append(make("p", {}, "Alerts stay here for a day. In the tables they stay:"),
      make("pre", {}, "coattail explain " + id.slice(0, 32)));
  });
}

function fillWhy(dialog, close, got) {
  var alert = got.alert, evidence = got.evidence, first = firstClause(alert.message), record = null;
  var rest = alert.message.slice(first.length + 1).trim(), head = tags(alert), plot = make("div", {class: "plot"});
  var chart = make("figure", {hidden: ""}, make("figcaption", {}, "The spread between the two venues"), plot);
  head.append(make("time", {datetime: alert.detected_at}, stamp(alert.detected_at)));
  dialog.replaceChildren(close, head, make("h2", {id: "why-title"}, first));
  if (rest) { dialog.append(make("p", {}, rest[0].toUpperCase() + rest.slice(1) + ".")); }
  dialog.append(chart);
  got.explain.sentences.forEach(function (sentence) { dialog.append(make("p", {}, sentence)); });
  dialog.append(make("h3", {}, "Compute it again"), make("pre", {}, got.explain.command));
  if (evidence) {
    dialog.append(make("p", {class: "note"}, "From " + plural(evidence.bars, "bar") + ", " + stamp(evidence.since) +
      " to " + stamp(evidence.until) + "; " + evidence.module + ", preset " + evidence.preset + ", configuration " +
      evidence.config + "."));
    record = (shown.health.track_record || []).find(function (each) {
      return each.module === evidence.module && each.preset === evidence.preset;
    });
  }
  if (record) { dialog.append(make("h3", {}, "How often it is right"), scores([record])); }
  if (got.revisions.length > 1) { dialog.append(make("h3", {}, "What it said before"), revisions(got.revisions)); }
  dialog.append(make("p", {class: "note"}, link(alert.alert_id, "Link to this alert"), " · ", alert.alert_id),
    make("p", {class: "note"}, got.disclaimer));
  close.focus();
  return around(alert, chart, plot);
}

function revisions(all) {
  var made = make("ol", {});
  all.forEach(function (each) {
    made.append(make("li", {}, stamp(each.recorded_at) + ": " + each.status + ", " + each.severity + ". " + each.message));
  });
  return made;
}

// What was measured around an alert, where that is among what is shown of the last hour; its own window is shaded.
function around(alert, chart, plot) {
  return ask("metrics/" + encodeURIComponent(alert.symbol)).then(function (metrics) {
    var at = Date.parse(alert.detected_at), details = alert.details || {}, figure = spreadAround(metrics, details);
    var venues = metrics.windows.filter(function (each) { return !alert.exchange || each.exchange === alert.exchange; });
    if (!figure) {
      if (!venues.length || !venues[0].rows.length || at < Date.parse(venues[0].rows[0].start)) { return undefined; }
      chart.firstChild.textContent = "Its price, and its minutes against what is usual";
      figure = marketFigure(Object.assign({}, metrics, {windows: venues.slice(0, 1)}), [alert]);
    }
    figure.layout.xaxis.range = [new Date(at - 15 * MINUTE).toISOString(), new Date(at + 5 * MINUTE).toISOString()];
    if (details.window_start && details.window_end) {
      var own = shade(details.window_start, details.window_end, "accent");
      figure.layout.shapes = (figure.layout.shapes || []).concat(own);
    }
    chart.hidden = false;
    return draw(plot, figure);
  }).catch(unless(undefined));
}

// The spread that an alert is about, where its two venues are among those shown.
function spreadAround(metrics, details) {
  var pair = metrics.spreads.find(function (each) {
    var legs = [each.exchange_a + ":" + each.symbol_a, each.exchange_b + ":" + each.symbol_b];
    return legs[0] === details.leg_a && legs[1] === details.leg_b;
  });
  var there = pair && pair.rows.length && Date.parse(details.window_start) >= Date.parse(pair.rows[0].start);
  return there ? spreadFigure(pair) : null;
}

// -- large orders, health, track record -------------------------------------------------------------------------------

function orders(metrics, least) {
  var all = [];
  metrics.forEach(function (each) {
    each.whales.forEach(function (order) { all.push(Object.assign({symbol: each.symbol}, order)); });
  });
  return all.filter(function (order) { return !least || order.dollars >= least; }).sort(function (a, b) {
    return Date.parse(b.at) - Date.parse(a.at);
  });
}

function showOrders(metrics) {
  var rows = orders(metrics, Number(filters.size)).slice(0, ORDERS);
  renew(byId("large"), [rows, filters.size], function () {
    var none = "None in the last day" + (filters.size ? " of this size." : ".");
    if (!rows.length) { return [make("p", {class: "note"}, none)]; }
    var right = ["dollars", "price", "impact"], body = make("tbody");
    rows.forEach(function (order) { body.append(orderRow(order)); });
    return [make("table", {class: "cards"}, headed(["time", "market", "side"].concat(right), right), body)];
  });
}

function orderRow(order) {
  var number = {class: "number"}, bought = order.side === "buy", at = clock(order.at);
  var where = make("span", {}, order.symbol + " ", make("span", {class: "soft"}, order.exchange));
  var impact = isNumber(order.impact_bp) ? digits(Math.round(100 * order.impact_bp) / 100 || 0, 2) + " bp" : "–";
  return make("tr", {},
    cell("at", order.alert_id ? link(order.alert_id, at, {title: stamp(order.at)}) : at), cell("", where),
    cell("", make("span", {class: bought ? "buy" : "sell"}, bought ? "▲ bought" : "▼ sold")),
    cell("for", isNumber(order.dollars) ? short(order.dollars) + " $" : short(order.notional), number),
    cell("price", priced(order.price), number),
    cell("moved it", impact, number));
}

function showHealth(health) {
  var engine = health.engine, totals = health.totals, gaps = health.open_gaps, body = make("tbody");
  var right = ["newest", "trades, 1 h", "missing"];
  var runs = {running: "runs" + (engine.command ? " (" + engine.command + ")" : ""), never: "has never run"}[engine.state];
  var told = engine.heartbeat_at ? ", reported " + ago(Date.now() - Date.parse(engine.heartbeat_at)) : "";
  health.venues.forEach(function (venue) {
    var row = make("tr", {}, make("th", {scope: "row"}, venue.exchange));
    [clock(venue.newest), counted(venue.trades_1h), counted(venue.missing)].forEach(function (said) {
      row.append(make("td", {class: "number"}, said));
    });
    body.append(row);
  });
  byId("system").replaceChildren(listed([
    ["engine", (runs || "stopped") + told, engine.state === "running" ? "well" : "ill"],
    ["backlog", health.backlog_bytes ? bytes(health.backlog_bytes) + " wait in the stream" : "nothing waits"],
    ["verdicts", health.watermark ? "final up to " + clock(health.watermark) + " UTC" : "none yet"],
    ["every trade", totals ? counted(totals.received) + " received = " + counted(totals.landed) + " landed + " +
      counted(totals.rejected) + " rejected + " + counted(totals.duplicates) + " duplicates" : "none yet",
    totals ? totals.holds ? "well" : "ill" : null],
    ["quality", isNumber(health.quality_score) ? digits(health.quality_score, 2) + " % of what was judged landed" : "–"],
    ["gaps", gaps ? plural(gaps, "gap") + ", " + plural(health.missing, "trade") + " missing" : "none",
      gaps ? "ill" : "well"]
  ]), health.venues.length ? make("table", {}, headed(["venue"].concat(right), right), body) : "");
}

function scores(records) {
  var body = make("tbody"), text = {class: "text"};
  records.forEach(function (record) {
    Object.keys(record.figures).filter(function (name) { return /_found$/.test(name); }).forEach(function (name) {
      var kind = name.slice(0, -6);
      function figure(what) { return record.figures[kind + what] || "–"; }
      body.append(make("tr", {}, make("th", {scope: "row"}, spaced(kind)), cell("found", figure("_found"), text),
        cell("false alarms", figure("_false_alarms_per_market_and_day"), text),
        cell("delay", figure("_delay_in_s"), text)));
    });
  });
  return make("table", {class: "cards"}, headed(["what", "found", "false a day and market", "delay, s"], []), body);
}

function showRecord(records) {
  renew(byId("scores"), records, function () {
    if (!records.length) { return [make("p", {class: "note"}, "Not measured for what runs here.")]; }
    var said = "Of the detectors that speak here (preset " + records[0].preset + "), on simulated markets with a known " +
      "truth; in brackets 90 % intervals. docs/EVIDENCE.md says how it is counted.";
    return [make("p", {class: "note"}, said), scores(records)];
  });
}

