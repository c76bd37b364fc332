// The page asks every ten seconds, only while somebody can see it, and only where it came from. Whatever it shows is set
// as text. It begins at the end of this file.

var root = document.documentElement, files = root.dataset.source === "files", address = new URL(location.href);
var EVERY = Math.max(1, Number(address.searchParams.get("every")) || 10), LONGEST = 60, OLD_AFTER = 30, PATIENCE = 8;
// Seconds: from one look to the next, at most after failures, until what is shown is grey, for an answer.
var ALERTS = 50, CHARTS = 8, ORDERS = 20;
var WORDS = {
  starting: "starting", live: "live", paused: "paused", stopped: "engine stopped", stale: "no trades of late",
  empty: "nothing here yet", silent: "no answer", still: "a still"
};
var QUOTED_IN_DOLLARS = /-(USD|USDT|USDC|FDUSD|DAI)(-PERP)?$/;

var shown = null, waiting = [], paused = false, failing = null, wait = EVERY, timer = 0, asking = null, answered = 0;
var still = "", written = 0, lapsed = null;
// Of files: when a still was made, when they were written last, and that nobody writes them any more.
var known = new Set(), order = [], unseen = 0, settling = 0, drawing = Promise.resolve();
var filters = {symbol: "", type: "", severity: "", size: ""};

// -- filters, kept in the address -------------------------------------------------------------------------------------

function readAddress() {
  address = new URL(location.href);
  Object.keys(filters).forEach(function (key) {
    filters[key] = address.searchParams.get(key) || "";
    offer(key, [filters[key]]);
    byId("filters").elements[key].value = filters[key];
  });
  byId("clear").hidden = !filtering();
}

function filtering() { return Object.values(filters).some(Boolean); }

function offer(key, values) {
  var select = byId("filters").elements[key];
  var there = Array.from(select.options, function (option) { return option.value; });
  values.forEach(function (value) {
    if (there.indexOf(value) < 0) {
      there.push(value);
      select.append(make("option", {value: value}, spaced(value)));
    }
  });
}

function writeAddress(changes, push) {
  address = new URL(location.href);
  Object.keys(changes).forEach(function (key) {
    if (changes[key]) { address.searchParams.set(key, changes[key]); } else { address.searchParams.delete(key); }
  });
  history[push ? "pushState" : "replaceState"](null, "", address);
}

function wanted(alert) {
  var dollars = Number((alert.details || {}).notional_usd), small = filters.size && dollars < Number(filters.size);
  return (!filters.symbol || alert.symbol === filters.symbol) && (!filters.type || alert.alert_type === filters.type) &&
    SEVERITIES.indexOf(alert.severity) >= SEVERITIES.indexOf(filters.severity) && !small;
}

function filtered() {
  readAddress();
  if (shown) {
    waiting = shown.alerts.alerts.filter(wanted);
    list(true);
    showOrders(shown.metrics);
  }
  refresh();
}

// -- asking -----------------------------------------------------------------------------------------------------------

function ask(path, query) {
  var where = files ? "data/" + path + ".json" : path + (query ? "?" + new URLSearchParams(query) : "");
  var how = {signal: AbortSignal.timeout(PATIENCE * 1000), cache: "no-cache", headers: {Accept: "application/json"}};
  return fetch(where, how).then(function (answer) {
    if (answer.ok) { return answer.json(); }
    var error = new Error(answer.status + " " + answer.statusText);
    error.status = answer.status;
    throw error;
  });
}

function refresh() {
  if (asking) { return asking; }
  clearTimeout(timer);
  var asked = JSON.stringify(filters);
  asking = (files ? ask("written").then(heed) : Promise.resolve()).then(askAll).then(function (now) {
    failing = lapsed;
    wait = EVERY;
    answered = files ? written : Date.now();
    show(now);
    root.dataset.refreshes = String(Number(root.dataset.refreshes || 0) + 1);
  }, function (error) {
    wait = failing ? Math.min(2 * wait, LONGEST) : EVERY;
    failing = error;
  }).finally(function () {
    asking = null;
    say();
    if (asked !== JSON.stringify(filters)) { refresh(); } else { next(); }
  });
  return asking;
}

function askAll() {
  var query = {limit: ALERTS};
  ["symbol", "type", "severity"].forEach(function (key) { if (filters[key]) { query[key] = filters[key]; } });
  var alerts = ask("alerts", query).catch(unless({alerts: [], has_more: false}));
  return Promise.all([alerts, ask("symbols"), ask("health")]).then(function (got) {
    return Promise.all(toDraw(got[1].symbols).map(function (name) {
      return ask("metrics/" + encodeURIComponent(name)).catch(unless(null));
    })).then(function (metrics) {
      return {alerts: got[0], symbols: got[1].symbols, health: got[2], metrics: metrics.filter(Boolean)};
    });
  });
}

// What is not there is not a failure: a symbol that was mistyped in the address, or one that has gone.
function unless(instead) {
  return function (error) {
    if (error.status === 404 || error.status === 400) { return instead; }
    throw error;
  };
}

// Files say when they were written, and when they will be again; those of a writer that has stopped are no answer.
function heed(said) {
  still = said.every_seconds ? "" : said.at;
  written = Date.parse(said.at);
  var fresh = still || Date.now() - written < 1000 * Math.max(60, 6 * said.every_seconds);
  lapsed = fresh ? null : new Error("nobody has written these files since");
}

function next() {
  clearTimeout(timer);
  if (!paused && !document.hidden) { timer = setTimeout(refresh, wait * 1000); }
}

// Those with most alerts; what is there already keeps its place, so that nothing jumps.
function toDraw(symbols) {
  if (filters.symbol) { return [filters.symbol]; }
  var names = symbols.map(function (each) { return each.symbol; }).slice(0, CHARTS);
  order = order.filter(function (name) { return names.indexOf(name) >= 0; });
  order = order.concat(names.filter(function (name) { return order.indexOf(name) < 0; }));
  return order;
}

// -- the state --------------------------------------------------------------------------------------------------------

function say() {
  var health = shown && shown.health, state = "starting", pill = byId("state"), notice = byId("notice");
  if (health) { state = still ? "still" : WORDS[health.status] ? health.status : "live"; }
  if (failing) { state = "silent"; }
  if (paused) { state = "paused"; }
  if (pill.dataset.state !== state) {
    pill.dataset.state = state;
    byId("word").textContent = WORDS[state];
  }
  root.classList.toggle("old", Boolean(shown && failing && Date.now() - answered > OLD_AFTER * 1000));
  byId("market").textContent = health && health.newest_trade ? "market " + clock(health.newest_trade) + " UTC" : "";
  var since = answered ? "updated " + ago(Date.now() - answered) : "";
  byId("updated").textContent = still ? "as of " + stamp(still) : since;
  var said = noticed(health);
  if (notice.textContent !== said) { notice.textContent = said; }
  notice.hidden = !said;
  notice.classList.toggle("old", Boolean(failing));
}

function noticed(health) {
  if (failing && !paused) {
    var from = shown ? "What you see is from " + clock(answered) + " UTC: there" : "There";
    return from + " has been no answer since (" + failing.message + "). Asking again every " + wait + " s.";
  }
  if (health && health.status === "empty") {
    return "Nothing has landed here yet. A simulated market: coattail demo --live. The real ones: coattail run --live.";
  }
  if (health && health.status === "stopped" && !files) {
    var when = health.engine.heartbeat_at ? ", " + stamp(health.engine.heartbeat_at) : "";
    var command = health.simulated ? "coattail demo --live" : "coattail run --live";
    return "No engine runs here: this is what the last one left" + when + ". To go on: " + command;
  }
  return "";
}

function pause(on) {
  paused = on;
  byId("pause").setAttribute("aria-pressed", String(on));
  byId("pause").textContent = on ? "Go on" : "Pause";
  if (on) { clearTimeout(timer); } else { refresh(); }
  say();
}

// -- what people do ---------------------------------------------------------------------------------------------------

byId("pause").addEventListener("click", function () { pause(!paused); });
byId("fold").addEventListener("click", function () {
  var open = byId("filters").parentNode.classList.toggle("unfolded");
  byId("fold").setAttribute("aria-expanded", String(open));
});
byId("fresh").addEventListener("click", function () {
  list(false);
  byId("feed").querySelector("a.why").focus({preventScroll: true});
});
byId("all").addEventListener("click", function () {
  byId("feed").classList.add("whole");
  list(false);
});
byId("why").addEventListener("close", function () {
  byId("why").querySelectorAll(".js-plotly-plot").forEach(purge);
  byId("why").replaceChildren();
  writeAddress({alert: ""});
});
byId("filters").addEventListener("change", function (event) {
  var change = {};
  change[event.target.name] = event.target.value;
  writeAddress(change, true);
  filtered();
});
byId("filters").addEventListener("reset", function (event) {
  event.preventDefault();
  writeAddress({symbol: "", type: "", severity: "", size: ""}, true);
  filtered();
});
byId("filters").addEventListener("submit", function (event) { event.preventDefault(); });
document.addEventListener("keydown", function (event) {
  var typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key.toLowerCase() !== "p" || typing || event.ctrlKey || event.metaKey || event.altKey) { return; }
  pause(!paused);
});
document.addEventListener("click", function (event) {
  var found = event.target.closest("a.why");
  if (!found || event.ctrlKey || event.metaKey || event.shiftKey) { return; }
  event.preventDefault();
  openWhy(new URL(found.href).searchParams.get("alert"));
});
document.addEventListener("visibilitychange", function () {
  clearTimeout(timer);
  if (document.hidden || paused) { return; }
  wait = EVERY;
  refresh();
});
addEventListener("popstate", filtered);
addEventListener("focus", function () {
  unseen = 0;
  title();
});
["scroll", "resize"].forEach(function (moved) {
  addEventListener(moved, function () {
    clearTimeout(settling);
    settling = setTimeout(redraw, 60);
  }, {passive: true});
});
dark.addEventListener("change", function () {
  colours = {};
  redraw();
});
narrow.addEventListener("change", redraw);
addEventListener("load", redraw);
setInterval(function () { if (!document.hidden) { say(); } }, 1000);
root.classList.add("alive");
readAddress();
if (!document.hidden) { refresh(); }
