(function () {
  "use strict";
  // The page asks every ten seconds, only while somebody can see it, and only where it came from.
  // Whatever it shows is set as text; what plotly.js gets is escaped, because it makes markup of its texts.
  var root = document.documentElement, files = root.dataset.source === "files", address = new URL(location.href);
  var EVERY = Math.max(1, Number(address.searchParams.get("every")) || 10), LONGEST = 60, OLD_AFTER = 30, PATIENCE = 8;
  var ALERTS = 50, CHARTS = 8, ORDERS = 20, HOUR = 3600e3, MINUTE = 60e3;
  var SEVERITIES = ["low", "medium", "high", "critical"];
  var WORDS = {starting: "starting", live: "live", paused: "paused", stopped: "engine stopped", stale: "no trades of late", empty: "nothing here yet", silent: "no answer", still: "a still"};
  var STATES = {partial: "not judged: trades are missing", short_history: "not judged: too little is known yet", flat_history: "not judged: nothing varies", idle: "not judged: no trades", stalled: "not judged: the venue stalled", open: "still open", judged: ""};
  var dark = matchMedia("(prefers-color-scheme: dark)"), coarse = matchMedia("(pointer: coarse)").matches, narrow = matchMedia("(max-width: 59.9rem)");

  var shown = null, waiting = null, paused = false, failing = null, wait = EVERY, timer = 0, asking = null, answered = 0;
  var known = new Set(), order = [], settling = 0, unseen = 0, chosen = "", drawing = Promise.resolve(), still = "", written = 0, lapsed = null, colours = {}, drawn = {};

  function byId(id) { return document.getElementById(id); }

  function make(name, attributes) {
    var element = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) {
      if (attributes[key] !== null && attributes[key] !== undefined && attributes[key] !== false) { element.setAttribute(key, attributes[key]); }
    });
    for (var i = 2; i < arguments.length; i++) { if (arguments[i] !== null && arguments[i] !== undefined) { element.append(arguments[i]); } }
    return element;
  }

  function tinted(name) { return colours[name] || (colours[name] = getComputedStyle(root).getPropertyValue("--" + name).trim()); }
  function harmless(text) { return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); }

  // -- numbers and times, as the reports say them --------------------------------------------------------------------

  function digits(value, places) { return value.toLocaleString("en-US", {minimumFractionDigits: places, maximumFractionDigits: places}); }
  function known_(value) { return typeof value === "number" && isFinite(value); }
  function short(value) {
    if (!known_(value)) { return "–"; }
    var units = [["T", 1e12], ["bn", 1e9], ["M", 1e6], ["k", 1e3]], rounded = Number(value.toPrecision(3));
    for (var i = 0; i < units.length; i++) {
      if (Math.abs(rounded) >= units[i][1]) { return Number((rounded / units[i][1]).toPrecision(3)) + " " + units[i][0]; }
    }
    return String(rounded);
  }
  function priced(value) {
    if (!known_(value) || value <= 0) { return short(value); }
    return digits(value, Math.min(Math.max(1, 4 - Math.floor(Math.log10(value))), 12));
  }
  function counted(value) { return known_(value) ? value.toLocaleString("en-US") : "–"; }
  function percent(value, places) {
    if (!known_(value)) { return "–"; }
    var said = digits(Math.abs(value), places === undefined ? 2 : places);
    return (Number(said.replace(/,/g, "")) === 0 ? "" : value > 0 ? "+" : "−") + said + " %";
  }
  function clock(when, seconds) { return when ? new Date(when).toISOString().slice(11, seconds === false ? 16 : 19) : "–"; }
  function stamp(when) { return new Date(when).toISOString().slice(0, 19).replace("T", " ") + " UTC"; }
  function ago(ms) {
    var s = Math.max(0, Math.round(ms / 1000));
    return s < 60 ? s + " s ago" : s < 5400 ? Math.round(s / 60) + " min ago" : s < 172800 ? Math.round(s / 3600) + " h ago" : Math.round(s / 86400) + " days ago";
  }
  function lasting(s) { return !known_(s) ? "–" : s < 120 ? digits(s, s < 10 ? 1 : 0) + " s" : s < 7200 ? Math.round(s / 60) + " min" : s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " days"; }
  function bytes(n) { return !known_(n) ? "–" : n < 1e3 ? n + " B" : n < 1e6 ? digits(n / 1e3, 0) + " kB" : digits(n / 1e6, 1) + " MB"; }
  function plural(n, one, many) { return counted(n) + " " + (n === 1 ? one : many || one + "s"); }
  function spaced(name) { return String(name).replace(/_/g, " "); }
  function firstClause(message) {
    for (var i = 0, depth = 0; i < message.length; i++) {
      depth += message[i] === "(" ? 1 : message[i] === ")" ? -1 : 0;
      if (message[i] === ";" && depth <= 0) { return message.slice(0, i); }
    }
    return message;
  }
  function rarity(days) {
    if (!known_(days) || days <= 0) { return ""; }
    return days >= 365 ? "less than once a year" : days >= 2 ? "once in " + Number(days.toPrecision(2)) + " days" : "once in " + Number((24 * days).toPrecision(2)) + " hours";
  }

  // -- filters, kept in the address -----------------------------------------------------------------------------------

  var filters = {symbol: "", type: "", severity: "", size: ""};

  function readAddress() {
    address = new URL(location.href);
    Object.keys(filters).forEach(function (key) {
      filters[key] = address.searchParams.get(key) || "";
      offer(key, [filters[key]]);
      byId("filters").elements[key].value = filters[key];
    });
    byId("clear").hidden = !Object.values(filters).some(Boolean);
  }

  function offer(key, values) {
    var select = byId("filters").elements[key], there = Array.from(select.options, function (option) { return option.value; });
    values.forEach(function (value) { if (there.indexOf(value) < 0) { select.append(make("option", {value: value}, spaced(value))); } });
  }

  function writeAddress(changes, push) {
    address = new URL(location.href);
    Object.keys(changes).forEach(function (key) {
      if (changes[key]) { address.searchParams.set(key, changes[key]); } else { address.searchParams.delete(key); }
    });
    history[push ? "pushState" : "replaceState"](null, "", address);
  }

  function wanted(alert) {
    var least = SEVERITIES.indexOf(filters.severity), dollars = Number((alert.details || {}).notional_usd);
    return (!filters.symbol || alert.symbol === filters.symbol) && (!filters.type || alert.alert_type === filters.type) &&
      SEVERITIES.indexOf(alert.severity) >= least && !(filters.size && isFinite(dollars) && dollars < Number(filters.size));
  }

  // -- asking ---------------------------------------------------------------------------------------------------------

  function ask(path, query) {
    var where = files ? "data/" + path + ".json" : path + (query ? "?" + new URLSearchParams(query) : "");
    return fetch(where, {signal: AbortSignal.timeout(PATIENCE * 1000), cache: "no-cache", headers: {Accept: "application/json"}}).then(function (answer) {
      if (answer.ok) { return answer.json(); }
      var error = new Error(answer.status + " " + answer.statusText);
      error.status = answer.status;
      throw error;
    });
  }

  function refresh() {
    if (asking) { return asking; }
    clearTimeout(timer);
    var query = {limit: ALERTS};
    ["symbol", "type", "severity"].forEach(function (key) { if (filters[key]) { query[key] = filters[key]; } });
    var asked = JSON.stringify(filters);
    asking = (files ? ask("written").then(heed) : Promise.resolve()).then(function () { return all(query); }).then(function (now) {
      failing = lapsed;
      wait = EVERY;
      answered = files ? written : Date.now();
      show(now);
      root.dataset.refreshes = String(Number(root.dataset.refreshes || 0) + 1);
    }, function (error) {
      wait = failing ? Math.min(2 * wait, LONGEST) : EVERY;
      failing = error;
    }).then(function () {
      asking = null;
      say();
      if (asked !== JSON.stringify(filters)) { refresh(); } else { next(); }
    });
    return asking;
  }

  function all(query) {
    return Promise.all([ask("alerts", query).catch(unknown({alerts: [], has_more: false})), ask("symbols"), ask("health")]).then(function (got) {
      var names = toDraw(got[1].symbols);
      return Promise.all(names.map(function (name) { return ask("metrics/" + encodeURIComponent(name)).catch(unknown(null)); })).then(function (metrics) {
        return {alerts: got[0], symbols: got[1].symbols, health: got[2], metrics: metrics.filter(Boolean)};
      });
    });
  }

  // Files say when they were written, and when they will be again; those of a writer that has stopped are no answer.
  function heed(said) {
    still = said.every_seconds ? "" : said.at;
    written = Date.parse(said.at);
    lapsed = still || Date.now() - written < 1000 * Math.max(60, 6 * said.every_seconds) ? null : new Error("these files were written last then");
  }

  // What is not there is no failure of the page: a symbol that was mistyped in the address, or one that has gone.
  function unknown(instead) { return function (error) { if (error.status === 404 || error.status === 400) { return instead; } throw error; }; }

  function next() {
    clearTimeout(timer);
    if (!paused && !document.hidden && !(still && !failing)) { timer = setTimeout(refresh, wait * 1000); }
  }

  // Those with most alerts; what is there already keeps its place, so that nothing jumps.
  function toDraw(symbols) {
    if (filters.symbol) { return [filters.symbol]; }
    var names = symbols.map(function (each) { return each.symbol; }).slice(0, CHARTS);
    order = order.filter(function (name) { return names.indexOf(name) >= 0; });
    order = order.concat(names.filter(function (name) { return order.indexOf(name) < 0; }));
    return order;
  }

  // -- state ----------------------------------------------------------------------------------------------------------

  function say() {
    var health = shown && shown.health, old = failing && Date.now() - (answered || 0) > OLD_AFTER * 1000;
    var state = paused ? "paused" : failing ? "silent" : !health ? "starting" : still ? "still" : WORDS[health.status] ? health.status : "live";
    var pill = byId("state");
    if (pill.dataset.state !== state) { pill.dataset.state = state; byId("word").textContent = WORDS[state]; }
    root.classList.toggle("old", Boolean(old && shown));
    byId("market").textContent = health && health.newest_trade ? "market " + clock(health.newest_trade) + " UTC" : "";
    byId("updated").textContent = still ? "as of " + stamp(still) : answered ? "updated " + ago(Date.now() - answered) : "";
    var notice = byId("notice"), said = "", run = health && health.simulated ? "coattail demo --live" : "coattail run --live";
    if (failing && !paused) {
      said = (shown ? "What you see is from " + clock(answered) + " UTC: there" : "There") + " has been no answer since (" + failing.message + "). Asking again every " + wait + " s.";
    } else if (health && health.status === "empty") {
      said = "Nothing has landed here yet. A simulated market: coattail demo --live. The real ones: coattail run --live.";
    } else if (health && health.status === "stopped" && !files) {
      said = "No engine runs here: this is what the last one left" + (health.engine.heartbeat_at ? ", " + stamp(health.engine.heartbeat_at) : "") + ". To go on: " + run;
    }
    if (notice.textContent !== said) { notice.textContent = said; }
    notice.hidden = !said;
    notice.classList.toggle("old", Boolean(failing));
  }

  function pause(on) {
    paused = on;
    byId("pause").setAttribute("aria-pressed", String(on));
    byId("pause").textContent = on ? "Go on" : "Pause";
    if (on) { clearTimeout(timer); } else { refresh(); }
    say();
  }

  // -- all of it ------------------------------------------------------------------------------------------------------

  function show(now) {
    var first = !shown;
    shown = now;
    byId("content").setAttribute("aria-busy", "false");
    byId("simulated").hidden = !now.health.simulated;
    offer("symbol", now.symbols.map(function (each) { return each.symbol; }));
    offer("type", now.alerts.alerts.map(function (alert) { return alert.alert_type; }));
    showTiles(now);
    showAlerts(now.alerts.alerts, first);
    showOrders(now.metrics);
    showHealth(now.health);
    showRecord(now.health.track_record || []);
    byId("source").textContent = "coattail " + now.health.version + (now.health.preset ? ", preset " + now.health.preset : "") + (now.health.newest_trade ? "; newest trade " + stamp(now.health.newest_trade) : "") + ". All times are UTC.";
    byId("large-words").textContent = "A large order is one taker's order, however many fills it took, that the order detector found large; dollars by the rate of its moment.";
    if (first && address.searchParams.get("alert")) { openWhy(address.searchParams.get("alert")); }
    drawing = drawing.then(function () { return drawAll(now); });
  }

  function tile(name, value, note) { return make("div", {}, make("dt", {}, name), make("dd", {class: "value"}, value), make("dd", {}, note)); }
  function severity(name, text) { return make("span", {class: "severity " + (SEVERITIES.indexOf(name) < 0 ? "low" : name)}, text || name); }

  function showTiles(now) {
    var counts = now.health.alerts_24h, all = SEVERITIES.reduce(function (sum, name) { return sum + (counts[name] || 0); }, 0);
    var split = make("span", {});
    SEVERITIES.slice().reverse().forEach(function (name) { if (counts[name]) { split.append(severity(name, counted(counts[name]) + " " + name)); } });
    var dollars = now.symbols.filter(function (each) { return /-(USD|USDT|USDC|FDUSD|DAI)(-PERP)?$/.test(each.symbol); });
    var volume = dollars.reduce(function (sum, each) { return sum + each.volume_1h; }, 0);
    var largest = orders(now.metrics, 0).sort(function (a, b) { return (b.dollars || 0) - (a.dollars || 0); })[0];
    var health = now.health, venues = health.venues.map(function (venue) { return venue.exchange; }).join(", ");
    byId("tiles").replaceChildren(
      tile("Alerts, 24 h", counted(all), all ? split : "nothing unusual"),
      tile("Volume, 1 h", dollars.length ? short(volume) + " $" : "–", venues ? plural(health.symbols, "symbol") + " on " + venues : "no trades yet"),
      tile("Largest order, 24 h", largest ? short(largest.dollars) + " $" : "–", largest ? (now.symbols.length > now.metrics.length && !filters.symbol ? "of those shown: " : "") + largest.symbol + (largest.side === "buy" ? " bought " : " sold ") + clock(largest.at, false) : "none so far"),
      tile("Coverage", known_(health.coverage_pct) ? Math.floor(health.coverage_pct * 1000) / 1000 + " %" : "–", health.missing ? plural(health.missing, "trade") + " missing" : "no trade missing"),
      tile("Lag", known_(health.lag_seconds) ? lasting(health.lag_seconds) : "–", known_(health.lag_seconds) ? "from trade to table" : health.simulated ? "a simulated clock" : "nothing to measure"));
  }

  // -- alerts ---------------------------------------------------------------------------------------------------------

  function showAlerts(all, first) {
    var alerts = all.filter(wanted), fresh = alerts.filter(function (alert) { return !known.has(alert.alert_id); });
    alerts.forEach(function (alert) { known.add(alert.alert_id); });
    if (!first && fresh.length) {
      byId("said").textContent = plural(fresh.length, "new alert") + "; the newest: " + fresh[0].severity + " " + spaced(fresh[0].alert_type) + ", " + fresh[0].symbol + (fresh[0].exchange ? " on " + fresh[0].exchange : "");
      if (!document.hasFocus()) { unseen += fresh.length; }
    }
    document.title = (unseen ? "(" + unseen + ") " : "") + "coattail live";
    var feed = byId("feed"), button = byId("fresh");
    waiting = alerts;
    if (!first && (feed.matches(":hover") || feed.contains(document.activeElement))) {
      var there = new Set(Array.from(feed.children, function (item) { return item.dataset.id; }));
      var more = alerts.filter(function (alert) { return !there.has(alert.alert_id); }).length;
      button.hidden = !more;
      button.textContent = more + " new, show";
      times();
      return;
    }
    list(first);
  }

  function list(first) {
    var feed = byId("feed"), there = {};
    Array.from(feed.children).forEach(function (item) { there[item.dataset.id] = item; });
    feed.replaceChildren.apply(feed, waiting.map(function (alert) {
      var item = there[alert.alert_id];
      return item && item.dataset.revision === String(alert.revision) ? item : entry(alert, !first && !item);
    }));
    byId("fresh").hidden = true;
    byId("all").hidden = waiting.length < 6 || feed.classList.contains("whole");
    byId("all").textContent = "Show all " + waiting.length;
    byId("more").textContent = !waiting.length ? "No alerts" + (Object.values(filters).some(Boolean) ? " by these filters." : ": nothing unusual so far.") : shown.alerts.has_more ? "The newest " + waiting.length + ". Older ones: coattail alerts" : "All that there are.";
    times();
  }

  function entry(alert, recent) {
    var details = alert.details || {}, fired = details.fired > 1 ? make("span", {}, "fired " + details.fired + " times") : null;
    var rare = rarity(details.return_days), why = make("a", {href: "?alert=" + encodeURIComponent(alert.alert_id), class: "why"}, "Why");
    why.setAttribute("aria-label", "Why: " + spaced(alert.alert_type) + ", " + alert.symbol);
    return make("li", {class: (recent ? "recent " : "") + (alert.status === "retracted" ? "retracted" : ""), "data-id": alert.alert_id, "data-revision": alert.revision, "data-at": alert.detected_at},
      make("p", {class: "tags"}, severity(alert.severity), make("span", {}, spaced(alert.alert_type)), rare ? make("span", {class: "rare"}, rare) : null, alert.status === "final" ? null : make("span", {class: "provisional"}, alert.status)),
      make("p", {class: "message"}, firstClause(alert.message)),
      make("p", {class: "tags"}, make("span", {}, alert.exchange || "between venues"), make("time", {datetime: alert.detected_at, title: stamp(alert.detected_at)}), fired, why));
  }

  function times() {
    var now = Date.parse(shown.health.newest_trade) || Date.now();
    byId("feed").querySelectorAll("li").forEach(function (item) {
      var said = ago(now - Date.parse(item.dataset.at)) + ", " + clock(item.dataset.at) + " UTC", time = item.querySelector("time");
      if (time.textContent !== said) { time.textContent = said; }
    });
  }

  function openWhy(id) {
    var dialog = byId("why"), close = make("button", {type: "button", class: "close"}, "Close");
    close.addEventListener("click", function () { dialog.close(); });
    dialog.replaceChildren(close, make("h2", {id: "why-title"}, "Looking it up …"));
    if (!dialog.open) { dialog.showModal(); }
    writeAddress({alert: id});
    return ask("alerts/" + encodeURIComponent(id)).then(function (got) { fillWhy(dialog, close, got); }, function (error) {
      byId("why-title").textContent = error.status === 404 || error.status === 410 ? "This alert is not kept here any more" : "No answer (" + error.message + ")";
      dialog.append(make("p", {}, "Alerts stay here for a day. In the tables they stay:"), make("pre", {}, "coattail explain " + id.slice(0, 32)));
    });
  }

  function fillWhy(dialog, close, got) {
    var alert = got.alert, evidence = got.evidence, rest = alert.message.slice(firstClause(alert.message).length + 1).trim(), rare = rarity((alert.details || {}).return_days), record = null;
    if (evidence) { record = (shown.health.track_record || []).find(function (each) { return each.module === evidence.module && each.preset === evidence.preset; }); }
    var plot = make("div", {class: "plot"}), chart = make("figure", {hidden: ""}, make("figcaption", {}, "Its minutes, against what is usual"), plot);
    var revisions = make("ol", {});
    got.revisions.forEach(function (each) { revisions.append(make("li", {}, stamp(each.recorded_at) + ": " + each.status + ", " + each.severity + ". " + (each.message || ""))); });
    dialog.replaceChildren();
    [close,
      make("p", {class: "tags"}, severity(alert.severity), make("span", {}, spaced(alert.alert_type)), rare ? make("span", {class: "rare"}, rare) : null, make("span", {class: alert.status === "final" ? null : "provisional"}, alert.status), make("time", {datetime: alert.detected_at}, stamp(alert.detected_at))),
      make("h2", {id: "why-title"}, firstClause(alert.message)),
      rest ? make("p", {}, rest[0].toUpperCase() + rest.slice(1) + ".") : null, chart].forEach(function (part) { if (part) { dialog.append(part); } });
    got.explain.sentences.forEach(function (sentence) { dialog.append(make("p", {}, sentence)); });
    dialog.append(make("h3", {}, "Compute it again"), make("pre", {}, got.explain.command));
    if (evidence) {
      dialog.append(make("p", {class: "note"}, "From " + plural(evidence.bars, "bar") + ", " + stamp(evidence.since) + " to " + stamp(evidence.until) + "; " + evidence.module + ", preset " + evidence.preset + ", configuration " + evidence.config + "."));
    }
    if (record) { dialog.append(make("h3", {}, "How often it is right"), scores([record])); }
    if (got.revisions.length > 1) { dialog.append(make("h3", {}, "What it said before"), revisions); }
    dialog.append(make("p", {class: "note"}, make("a", {href: "?alert=" + encodeURIComponent(alert.alert_id)}, "Link to this alert"), " · ", alert.alert_id), make("p", {class: "note"}, got.disclaimer));
    close.focus();
    return ask("metrics/" + encodeURIComponent(alert.symbol)).then(function (metrics) {
      var at = Date.parse(alert.detected_at), rows = metrics.windows.filter(function (each) { return !alert.exchange || each.exchange === alert.exchange; });
      if (!rows.length || !rows[0].rows.length || at < Date.parse(rows[0].rows[0].start)) { return; }
      chart.hidden = false;
      metrics = Object.assign({}, metrics, {windows: rows.slice(0, 1)});
      var figure = marketFigure(metrics, [alert]), side = 15 * MINUTE;
      figure.layout.xaxis.range = [new Date(at - side).toISOString(), new Date(at + side / 3).toISOString()];
      return draw(plot, figure);
    }, function () { return undefined; });
  }

  // -- large orders ---------------------------------------------------------------------------------------------------

  function orders(metrics, least) {
    var all = [];
    metrics.forEach(function (each) { each.whales.forEach(function (order) { all.push(Object.assign({symbol: each.symbol}, order)); }); });
    return all.filter(function (order) { return !least || order.dollars >= least; }).sort(function (a, b) { return Date.parse(b.at) - Date.parse(a.at); });
  }

  function cell(name, content, attributes) { return make("td", Object.assign({"data-name": name}, attributes), content); }
  function headed(names, right) { var row = make("tr"); names.forEach(function (name) { row.append(make("th", {scope: "col", class: right.indexOf(name) < 0 ? null : "number"}, name)); }); return make("thead", {}, row); }

  function showOrders(metrics) {
    var rows = orders(metrics, Number(filters.size)).slice(0, ORDERS), body = make("tbody");
    rows.forEach(function (order) {
      var side = make("span", {class: order.side === "buy" ? "buy" : "sell"}, order.side === "buy" ? "▲ bought" : "▼ sold");
      var where = make("span", {}, order.symbol + " "), venue = make("span", {class: "soft"}, order.exchange);
      where.append(venue);
      body.append(make("tr", {}, cell("at", order.alert_id ? make("a", {href: "?alert=" + encodeURIComponent(order.alert_id), class: "why", title: stamp(order.at)}, clock(order.at)) : clock(order.at)),
        cell("", where), cell("", side), cell("for", (known_(order.dollars) ? short(order.dollars) + " $" : short(order.notional)), {class: "number"}),
        cell("price", priced(order.price), {class: "number"}), cell("moved it", known_(order.impact_bp) ? digits(order.impact_bp, 2) + " bp" : "–", {class: "number"})));
    });
    byId("large").replaceChildren(rows.length ? make("table", {class: "cards"}, headed(["time", "market", "side", "dollars", "price", "impact"], ["dollars", "price", "impact"]), body) : make("p", {class: "note"}, "None in the last day" + (filters.size ? " of this size." : ".")));
  }

  // -- health and track record ----------------------------------------------------------------------------------------

  function listed(pairs) {
    var list = make("dl", {class: "list"});
    pairs.forEach(function (pair) { list.append(make("dt", {}, pair[0]), make("dd", {class: pair[2] || null}, pair[1])); });
    return list;
  }

  function showHealth(health) {
    var engine = health.engine, totals = health.totals, venues = make("tbody");
    var runs = engine.state === "running" ? "runs" + (engine.command ? " (" + engine.command + ")" : "") : engine.state === "never" ? "has never run" : "stopped";
    health.venues.forEach(function (venue) {
      venues.append(make("tr", {}, make("th", {scope: "row"}, venue.exchange), make("td", {class: "number"}, clock(venue.newest)), make("td", {class: "number"}, counted(venue.trades_1h)), make("td", {class: "number"}, counted(venue.missing))));
    });
    byId("system").replaceChildren(listed([
      ["engine", runs + (engine.heartbeat_at ? ", reported " + ago(Date.now() - Date.parse(engine.heartbeat_at)) : ""), engine.state === "running" ? "well" : "ill"],
      ["backlog", health.backlog_bytes ? bytes(health.backlog_bytes) + " wait in the stream" : "nothing waits"],
      ["verdicts", health.watermark ? "final up to " + clock(health.watermark) + " UTC" : "none yet"],
      ["every trade", totals ? counted(totals.received) + " received = " + counted(totals.landed) + " landed + " + counted(totals.rejected) + " rejected + " + counted(totals.duplicates) + " duplicates" : "none yet", totals ? totals.holds ? "well" : "ill" : null],
      ["quality", known_(health.quality_score) ? digits(health.quality_score, 2) + " % of what was judged has landed" : "–"],
      ["gaps", health.open_gaps ? plural(health.open_gaps, "gap") + ", " + plural(health.missing, "trade") + " missing" : "none", health.open_gaps ? "ill" : "well"]]),
      health.venues.length ? make("table", {}, headed(["venue", "newest", "trades, 1 h", "missing"], ["newest", "trades, 1 h", "missing"]), venues) : "");
  }

  function scores(records) {
    var body = make("tbody");
    records.forEach(function (record) {
      Object.keys(record.figures).filter(function (name) { return /_found$/.test(name); }).forEach(function (name) {
        var kind = name.slice(0, -6), figure = function (end) { return record.figures[kind + end] || "–"; };
        body.append(make("tr", {}, make("th", {scope: "row"}, spaced(kind)), cell("found", figure("_found"), {class: "text"}), cell("false alarms", figure("_false_alarms_per_market_and_day"), {class: "text"}), cell("delay", figure("_delay_in_s"), {class: "text"})));
      });
    });
    return make("table", {class: "cards"}, headed(["what", "found", "false a day and market", "delay, s"], []), body);
  }

  function showRecord(records) {
    var speak = new Set(records.map(function (each) { return each.preset; }));
    byId("scores").replaceChildren(make("p", {class: "note"}, records.length ? "Of the detectors that speak here (preset " + Array.from(speak).join(", ") + "), on simulated markets with a known truth; in brackets 90 % intervals. docs/EVIDENCE.md says how it is counted." : "Not measured for what runs here."), records.length ? scores(records) : "");
  }

  // -- charts ---------------------------------------------------------------------------------------------------------

  function axis(more) { return Object.assign({gridcolor: tinted("line"), linecolor: tinted("line"), zerolinecolor: tinted("line"), tickfont: {size: 10}, fixedrange: true, automargin: false}, more); }
  function layout(name, more) {
    return Object.assign({margin: {l: 46, r: 6, t: 6, b: 20}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, uirevision: name, dragmode: coarse ? false : "zoom",
      hovermode: "x unified", hoversubplots: "axis", font: {family: "system-ui, sans-serif", size: 11, color: tinted("soft")}, hoverlabel: {bgcolor: tinted("paper"), bordercolor: tinted("soft"), font: {color: tinted("ink")}, align: "left"}}, more);
  }
  function shade(since, until, colour, opacity) { return {type: "rect", xref: "x", yref: "paper", x0: since, x1: until, y0: 0, y1: 1, fillcolor: colour, opacity: opacity, line: {width: 0}, layer: "below"}; }
  function end(row) { return new Date(Date.parse(row.start) + MINUTE).toISOString(); }
  function middle(row) { return new Date(Date.parse(row.start) + MINUTE / 2).toISOString(); }
  function odd(row, of) { return row.state === "judged" && known_(row.rarity) && known_(of.threshold) && Math.abs(row.rarity) >= of.threshold; }
  function measures(of) { return of.rows.some(function (row) { return known_(row.measured); }) ? "measured" : "volume"; }

  function marketFigure(metrics, alerts) {
    var data = [], shapes = [], lead = metrics.windows[0];
    metrics.windows.forEach(function (of, place) {
      var rows = of.rows.filter(function (row) { return row.close !== null; });
      data.push({type: "scatter", mode: "lines", name: harmless(of.exchange), x: rows.map(end), y: rows.map(function (row) { return row.close; }), line: {color: tinted("c" + place % 6), width: 1.6}, hovertemplate: "%{y}<extra>" + harmless(of.exchange) + "</extra>"});
    });
    if (lead && lead.rows.length) {
      var what = measures(lead), unit = what === "measured" && lead.measure === "orders" ? "orders" : "volume", critical = tinted("critical"), grey = tinted("c2");
      data.push({type: "bar", name: unit, x: lead.rows.map(middle), y: lead.rows.map(function (row) { return row[what]; }), yaxis: "y2", width: 0.8 * MINUTE,
        marker: {color: lead.rows.map(function (row) { return odd(row, lead) ? critical : grey; }), opacity: lead.rows.map(function (row) { return odd(row, lead) ? 1 : row.state === "judged" ? 0.75 : 0.35; }), line: {width: 0},
          pattern: {shape: lead.rows.map(function (row) { return odd(row, lead) ? "/" : ""; }), solidity: 0.55, size: 4, bgcolor: "rgba(0,0,0,0)"}},
        customdata: lead.rows.map(function (row) { return [harmless(STATES[row.state] === undefined ? row.state : STATES[row.state]), lead.scale === "return_days" ? harmless(rarity(row.rarity)) : known_(row.rarity) ? "z " + digits(row.rarity, 1) : ""]; }),
        hovertemplate: "%{y:,.4s} " + unit + " %{customdata[1]} %{customdata[0]}<extra></extra>"});
      if (what === "measured") {
        data.push({type: "scatter", mode: "lines", name: "usual", x: lead.rows.map(middle), y: lead.rows.map(function (row) { return row.usual; }), yaxis: "y2", line: {color: tinted("soft"), width: 1.4, dash: "dot", shape: "hvh"}, hovertemplate: "%{y:,.3s} usual<extra></extra>"});
      }
    }
    metrics.gaps.forEach(function (gap) { if (gap.since && gap.until) { shapes.push(shade(gap.since, gap.until, tinted("gap"), 0.3)); } });
    var marks = placed(lead, alerts);
    data.push({type: "scatter", mode: "markers", name: "alerts", x: marks.map(function (m) { return m.x; }), y: marks.map(function (m) { return m.y; }), cliponaxis: false,
      marker: {size: 11, symbol: marks.map(function (m) { return {critical: "diamond", high: "triangle-up"}[m.alert.severity] || "circle"; }), color: marks.map(function (m) { return tinted(SEVERITIES.indexOf(m.alert.severity) < 0 ? "low" : m.alert.severity); }), line: {width: 1.5, color: tinted("paper")}},
      customdata: marks.map(function (m) { return [wrapped(m.alert.severity + ": " + firstClause(m.alert.message))]; }), hovertemplate: "%{customdata[0]}<extra></extra>"});
    return {data: data, layout: layout(metrics.symbol, {shapes: shapes, xaxis: axis({type: "date", anchor: "y2", fixedrange: false, nticks: 7, tickformat: "%H:%M", showgrid: false, hoverformat: "%H:%M UTC"}), yaxis: axis({domain: [0.4, 1], nticks: 5, tickformat: ",~r"}), yaxis2: axis({domain: [0, 0.3], nticks: 3, rangemode: "tozero", tickformat: "~s"})})};
  }

  function placed(lead, alerts) {
    if (!lead || !lead.rows.length) { return []; }
    var rows = lead.rows.filter(function (row) { return row.close !== null; }), since = Date.parse(lead.rows[0].start);
    return alerts.map(function (alert) {
      var at = Date.parse(alert.detected_at), near = rows.reduce(function (best, row) { return Math.abs(Date.parse(row.start) + MINUTE - at) < Math.abs(Date.parse(best.start) + MINUTE - at) ? row : best; }, rows[0]);
      return at >= since && near ? {x: alert.detected_at, y: near.close, alert: alert} : null;
    }).filter(Boolean);
  }

  function wrapped(text) {
    var lines = [""];
    text.split(" ").forEach(function (word) { if ((lines[lines.length - 1] + word).length > 60) { lines.push(""); } lines[lines.length - 1] += word + " "; });
    return lines.slice(0, 6).map(harmless).join("<br>");
  }

  function spreadFigure(pair) {
    var x = pair.rows.map(function (row) { return row.start; }), fees = pair.rows.map(function (row) { return row.fees_pct; }), grey = tinted("c2");
    var column = function (name) { return pair.rows.map(function (row) { return row[name]; }); }, less = fees.map(function (fee) { return known_(fee) ? -fee : null; });
    var band = {type: "scatter", mode: "lines", x: x, line: {width: 0}, hoverinfo: "skip"};
    return {data: [
      Object.assign({}, band, {y: fees}), Object.assign({}, band, {y: less, fill: "tonexty", fillcolor: dark.matches ? "rgba(154,165,177,.18)" : "rgba(106,115,125,.14)"}),
      {type: "scatter", mode: "lines", x: x, y: column("raw_pct"), line: {color: grey, width: 1}, hovertemplate: "%{y:.3f} % raw<extra></extra>"},
      {type: "scatter", mode: "lines", x: x, y: column("net_pct"), line: {color: tinted("accent"), width: 2}, hovertemplate: "%{y:.3f} % net<extra></extra>"}],
      layout: layout(pair.exchange_a + pair.symbol_a + pair.exchange_b + pair.symbol_b, {xaxis: axis({type: "date", fixedrange: false, showgrid: false, nticks: 5, tickformat: "%H:%M", hoverformat: "%H:%M:%S UTC"}), yaxis: axis({nticks: 4, ticksuffix: " %"})})};
  }

  // What would look the same is not drawn again.
  function draw(place, figure) {
    var said = JSON.stringify(figure);
    if (place.drawn === said) { return Promise.resolve(); }
    place.drawn = said;
    return Plotly.react(place, figure.data, figure.layout, {displayModeBar: false, responsive: true});
  }

  // What is far from view is drawn when it comes near.
  function near(place) {
    var box = place.getBoundingClientRect();
    return box.top < innerHeight + 400 && box.bottom > -400;
  }

  // The element of this name in its place: made once, so that a zoomed chart stays zoomed.
  function keep(under, name, kind) {
    var key = under.id + " " + name;
    if (!drawn[key]) {
      var plot = make("div", {class: "plot", role: "img"});
      drawn[key] = {figure: make("figure", {class: kind}, make("figcaption", {}), plot), plot: plot};
    }
    return drawn[key];
  }

  // Only what is there stays, in this order; what stays where it was is not touched.
  function arrange(under, kept) {
    Object.keys(drawn).forEach(function (key) {
      if (drawn[key].figure.parentNode === under && kept.indexOf(drawn[key]) < 0) { if (window.Plotly) { Plotly.purge(drawn[key].plot); } drawn[key].figure.remove(); delete drawn[key]; }
    });
    kept.forEach(function (each, place) { if (under.children[place] !== each.figure) { under.insertBefore(each.figure, under.children[place] || null); } });
  }

  // One chart after the other, so that the page can be used meanwhile.
  function drawAll(now) {
    var charts = byId("charts"), all = [], work = [];
    if (!now.metrics.some(function (each) { return each.symbol === chosen; })) { chosen = now.metrics.length ? now.metrics[0].symbol : ""; }
    now.metrics.forEach(function (metrics) {
      var one = keep(charts, metrics.symbol, "chart");
      all.push(one);
      caption(one, metrics);
      one.figure.classList.toggle("chosen", metrics.symbol === chosen);
      if (!narrow.matches || metrics.symbol === chosen) {
        work.push(function () {
          if (!near(one.plot)) { return undefined; }
          return draw(one.plot, marketFigure(metrics, shown.alerts.alerts.filter(function (alert) { return alert.symbol === metrics.symbol && wanted(alert); })));
        });
      }
    });
    arrange(charts, all);
    showTabs(now.metrics);
    var pairs = byId("pairs"), bases = {}, spreads = [];
    now.metrics.forEach(function (metrics) { if (!bases[metrics.base] && metrics.spreads.length) { bases[metrics.base] = true; metrics.spreads.slice(0, filters.symbol ? 4 : 1).forEach(function (pair) { spreads.push([metrics.base, pair]); }); } });
    arrange(pairs, spreads.slice(0, CHARTS).map(function (both) {
      var pair = both[1], one = keep(pairs, pair.exchange_a + " " + pair.symbol_a + " " + pair.exchange_b + " " + pair.symbol_b, "pair"), last = pair.rows.filter(function (row) { return row.raw_pct !== null; }).pop();
      var said = pair.exchange_a + " " + pair.symbol_a + " against " + pair.exchange_b + " " + pair.symbol_b, figure = last ? percent(last.net_pct === null ? last.raw_pct : last.net_pct, 3) : "–";
      one.figure.firstChild.replaceChildren(make("b", {}, both[0]), make("span", {}, said), make("span", {class: "number"}, figure));
      one.plot.setAttribute("aria-label", both[0] + " spread, " + said + ": now " + figure);
      work.push(function () { return near(one.plot) ? draw(one.plot, spreadFigure(pair)) : undefined; });
      return one;
    }));
    var none = pairs.querySelector("p");
    if (none) { none.remove(); }
    if (!spreads.length) { pairs.append(make("p", {class: "note"}, "Nothing to compare: a spread needs two venues of one asset.")); }
    keys(now.metrics);
    byId("others").textContent = !now.metrics.length ? filters.symbol && now.symbols.length ? "There are no trades of " + filters.symbol + " here." : "No trades yet." : now.symbols.length > now.metrics.length && !filters.symbol ? "And " + plural(now.symbols.length - now.metrics.length, "more symbol") + ": choose one above." : "";
    if (!window.Plotly) { return undefined; }
    return work.reduce(function (before, each) { return before.then(each).then(function () { return new Promise(function (go) { setTimeout(go, 0); }); }); }, Promise.resolve()).then(function () {
      root.dataset.charts = String(work.length);
      if (!root.dataset.ready) { root.dataset.ready = String(Math.round(performance.now())); }
    });
  }

  function caption(one, metrics) {
    var lead = metrics.windows[0], parts = [make("b", {}, metrics.symbol)], change = metrics.change_1h_pct, odds = lead ? lead.rows.filter(function (row) { return odd(row, lead); }).length : 0;
    Object.keys(metrics.price).slice(0, 4).forEach(function (venue) {
      parts.push(make("span", {}, venue + " ", make("span", {class: "price"}, priced(metrics.price[venue].price))));
    });
    if (known_(change)) { parts.push(make("span", {class: change < 0 ? "down" : "up"}, percent(change) + " in 1 h")); }
    if (metrics.anomaly_count_24h) { parts.push(make("span", {class: "number"}, plural(metrics.anomaly_count_24h, "alert"))); }
    one.figure.firstChild.replaceChildren.apply(one.figure.firstChild, parts);
    one.plot.setAttribute("aria-label", metrics.symbol + ": price " + Object.keys(metrics.price).map(function (venue) { return priced(metrics.price[venue].price) + " on " + venue; }).join(", ") + (known_(change) ? ", " + percent(change) + " in an hour" : "") + "; " + plural(odds, "minute") + " of the last hour unusual");
  }

  function keys(metrics) {
    var lead = metrics.length && metrics[0].windows[0], judged = metrics.some(function (each) { return each.windows[0] && measures(each.windows[0]) === "measured"; });
    var said = judged ? (lead && lead.measure === "orders" ? "orders" : "volume") + " a minute" : "volume a minute, not judged yet";
    byId("keys").replaceChildren(make("span", {class: "key"}, "price"), make("span", {class: "key measured"}, said), judged ? make("span", {class: "key usual"}, "usual") : "", judged ? make("span", {class: "key odd"}, "unusual") : "", make("span", {class: "key hole"}, "trades missing"));
  }

  function showTabs(metrics) {
    byId("tabs").replaceChildren.apply(byId("tabs"), metrics.length < 2 ? [] : metrics.map(function (each) {
      var tab = make("button", {type: "button", "aria-pressed": String(each.symbol === chosen)}, each.symbol);
      tab.addEventListener("click", function () { chosen = each.symbol; redraw(); });
      return tab;
    }));
  }

  function redraw() { if (shown) { drawing = drawing.then(function () { return drawAll(shown); }); } }

  // -- what people do -------------------------------------------------------------------------------------------------

  byId("fold").addEventListener("click", function () {
    byId("fold").setAttribute("aria-expanded", String(byId("filters").parentNode.classList.toggle("unfolded")));
  });
  byId("pause").addEventListener("click", function () { pause(!paused); });
  byId("fresh").addEventListener("click", function () { list(false); byId("feed").querySelector("a.why").focus({preventScroll: true}); });
  byId("all").addEventListener("click", function () { byId("feed").classList.add("whole"); list(false); });
  document.addEventListener("keydown", function (event) {
    if (event.key.toLowerCase() === "p" && !event.ctrlKey && !event.metaKey && !event.altKey && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) { pause(!paused); }
  });
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a.why");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); openWhy(new URL(link.href).searchParams.get("alert")); }
  });
  byId("why").addEventListener("close", function () { if (window.Plotly) { byId("why").querySelectorAll(".js-plotly-plot").forEach(function (plot) { Plotly.purge(plot); }); } byId("why").replaceChildren(); writeAddress({alert: ""}); });
  byId("filters").addEventListener("change", function (event) { var change = {}; change[event.target.name] = event.target.value; writeAddress(change, true); filtered(); });
  byId("filters").addEventListener("reset", function (event) { event.preventDefault(); writeAddress({symbol: "", type: "", severity: "", size: ""}, true); filtered(); });
  byId("filters").addEventListener("submit", function (event) { event.preventDefault(); });
  addEventListener("popstate", filtered);
  function filtered() { readAddress(); known = new Set(shown ? known : []); if (shown) { waiting = shown.alerts.alerts.filter(wanted); list(true); showOrders(shown.metrics); } refresh(); }
  document.addEventListener("visibilitychange", function () { clearTimeout(timer); if (!document.hidden && !paused) { wait = EVERY; refresh(); } });
  addEventListener("focus", function () { unseen = 0; document.title = "coattail live"; });
  dark.addEventListener("change", function () { colours = {}; redraw(); });
  narrow.addEventListener("change", redraw);
  addEventListener("load", redraw);
  ["scroll", "resize"].forEach(function (moved) {
    addEventListener(moved, function () { clearTimeout(settling); settling = setTimeout(redraw, 60); }, {passive: true});
  });
  setInterval(function () { if (!document.hidden) { say(); } }, 1000);
  readAddress();
  refresh();
})();
