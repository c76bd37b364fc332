// Charts: figures for plotly.js out of the API's documents, in the colours of the page, drawn where somebody looks.

var MINUTE = 60e3, NEAR = 400, SHAPES = {critical: "diamond", high: "triangle-up"};
var STATES = {
  judged: "", open: "still open", partial: "not judged: trades are missing", idle: "not judged: no trades",
  short_history: "not judged: too little is known yet", flat_history: "not judged: nothing varies",
  stalled: "not judged: the venue stalled"
};
var dark = matchMedia("(prefers-color-scheme: dark)"), narrow = matchMedia("(max-width: 59.9rem)");
var coarse = matchMedia("(pointer: coarse)").matches, colours = {}, drawn = {}, chosen = "", reach = 0;

function tinted(name) {
  return colours[name] || (colours[name] = getComputedStyle(root).getPropertyValue("--" + name).trim());
}

function axis(more) {
  var line = tinted("line");
  return Object.assign({
    gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: {size: 10}, fixedrange: true, automargin: false
  }, more);
}

function timeAxis(more) {
  return axis(Object.assign({type: "date", fixedrange: false, showgrid: false, tickformat: "%H:%M"}, more));
}

// `uirevision` keeps what somebody zoomed to.
function layout(name, more) {
  return Object.assign({
    margin: {l: 46, r: 6, t: 6, b: 20}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    uirevision: name, dragmode: coarse ? false : "zoom", hovermode: "x unified", hoversubplots: "axis",
    font: {family: "system-ui, sans-serif", size: 11, color: tinted("soft")},
    hoverlabel: {bgcolor: tinted("paper"), bordercolor: tinted("soft"), font: {color: tinted("ink")}, align: "left"}
  }, more);
}

function later(row, ms) { return new Date(Date.parse(row.start) + ms).toISOString(); }
function middle(row) { return later(row, MINUTE / 2); }
function column(rows, name) { return rows.map(function (row) { return row[name]; }); }
function hasPrice(row) { return row.close !== null; }

function odd(row, of) {
  return row.state === "judged" && isNumber(row.rarity) && isNumber(of.threshold) && Math.abs(row.rarity) >= of.threshold;
}

// What the bars are: what is judged, or the volume where nothing has been judged yet.
function measureOf(of) { return of.rows.some(function (row) { return isNumber(row.measured); }) ? "measured" : "volume"; }

// Prices of every venue above, the minutes of the first below, alerts on its price, missing trades shaded.
function marketFigure(metrics, alerts) {
  var lead = metrics.windows[0], data = metrics.windows.map(function (of, place) {
    var rows = of.rows.filter(hasPrice), name = harmless(of.exchange);
    return {
      type: "scatter", mode: "lines", name: name, y: column(rows, "close"),
      x: rows.map(function (row) { return later(row, MINUTE); }),
      line: {color: tinted("c" + place % 6), width: 1.6}, hovertemplate: "%{y}<extra>" + name + "</extra>"
    };
  });
  if (lead && lead.rows.length) { data = data.concat(minutes(lead)); }
  return {data: data.concat(marks(lead, alerts)), layout: layout(metrics.symbol, {
    shapes: metrics.gaps.filter(function (gap) { return gap.since && gap.until; }).map(missing),
    xaxis: timeAxis({anchor: "y2", nticks: 7, hoverformat: "%H:%M UTC"}),
    yaxis: axis({domain: [0.4, 1], nticks: 5, tickformat: ",~r"}),
    yaxis2: axis({domain: [0, 0.3], nticks: 3, rangemode: "tozero", tickformat: "~s"})
  })};
}

function minutes(lead) {
  var rows = lead.rows, what = measureOf(lead), x = rows.map(middle);
  var unit = what === "measured" && lead.measure === "orders" ? "orders" : "volume";
  var bars = {
    type: "bar", name: unit, x: x, y: column(rows, what), yaxis: "y2", width: 0.8 * MINUTE,
    marker: {
      color: rows.map(function (row) { return odd(row, lead) ? tinted("critical") : tinted("c2"); }),
      opacity: rows.map(function (row) { return odd(row, lead) ? 1 : row.state === "judged" ? 0.75 : 0.35; }),
      line: {width: 0}, pattern: {
        shape: rows.map(function (row) { return odd(row, lead) ? "/" : ""; }), solidity: 0.55, size: 4,
        bgcolor: "rgba(0,0,0,0)"
      }
    },
    customdata: rows.map(function (row) {
      var z = isNumber(row.rarity) ? "z " + digits(row.rarity, 1) : "";
      var rare = lead.scale === "return_days" ? rarity(row.rarity) : z;
      return [harmless(STATES[row.state] === undefined ? row.state : STATES[row.state]), rare];
    }),
    hovertemplate: "%{y:,.4s} " + unit + " %{customdata[1]} %{customdata[0]}<extra></extra>"
  };
  return what === "volume" ? [bars] : [bars, {
    type: "scatter", mode: "lines", name: "usual", x: x, y: column(rows, "usual"), yaxis: "y2",
    line: {color: tinted("soft"), width: 1.4, dash: "dot", shape: "hvh"}, hovertemplate: "%{y:,.3s} usual<extra></extra>"
  }];
}

function missing(gap) { return shade(gap.since, gap.until, "gap"); }

function shade(since, until, colour) {
  return {
    type: "rect", xref: "x", yref: "paper", x0: since, x1: until, y0: 0, y1: 1, fillcolor: tinted(colour), opacity: 0.25,
    line: {width: 0}, layer: "below"
  };
}

// Alerts at the price of their minute; a shape for each severity, as in the list.
function marks(lead, alerts) {
  var rows = lead ? lead.rows.filter(hasPrice) : [], since = rows.length ? Date.parse(lead.rows[0].start) : Infinity;
  var found = alerts.filter(function (alert) { return Date.parse(alert.detected_at) >= since; });
  return [{
    type: "scatter", mode: "markers", name: "alerts", cliponaxis: false, x: column(found, "detected_at"),
    y: found.map(function (alert) { return nearest(rows, Date.parse(alert.detected_at)).close; }),
    marker: {
      size: 11, line: {width: 1.5, color: tinted("paper")},
      symbol: found.map(function (alert) { return SHAPES[alert.severity] || "circle"; }),
      color: found.map(function (alert) { return tinted(severityKnown(alert.severity)); })
    },
    customdata: found.map(function (alert) { return [wrapped(alert.severity + ": " + firstClause(alert.message))]; }),
    hovertemplate: "%{customdata[0]}<extra></extra>"
  }];
}

function nearest(rows, at) {
  function off(row) { return Math.abs(Date.parse(row.start) + MINUTE - at); }
  return rows.reduce(function (best, row) { return off(row) < off(best) ? row : best; });
}

function wrapped(text) {
  var lines = [""];
  text.split(" ").forEach(function (word) {
    if ((lines[lines.length - 1] + word).length > 60) { lines.push(""); }
    lines[lines.length - 1] += word + " ";
  });
  return lines.slice(0, 6).map(harmless).join("<br>");
}

// Net bold, raw faint, what both venues charge as a band.
function spreadFigure(pair) {
  var x = column(pair.rows, "start"), fees = column(pair.rows, "fees_pct");
  var edge = {type: "scatter", mode: "lines", x: x, line: {width: 0}, hoverinfo: "skip"};
  var band = {fill: "tonexty", fillcolor: dark.matches ? "rgba(154,165,177,.18)" : "rgba(106,115,125,.14)"};
  function line(name, colour, width, said) {
    return {
      type: "scatter", mode: "lines", x: x, y: column(pair.rows, name), line: {color: tinted(colour), width: width},
      hovertemplate: "%{y:.3f} % " + said + "<extra></extra>"
    };
  }
  return {
    data: [
      Object.assign({}, edge, {y: fees}),
      Object.assign({}, edge, band, {y: fees.map(function (fee) { return isNumber(fee) ? -fee : null; })}),
      line("raw_pct", "c2", 1, "raw"), line("net_pct", "accent", 2, "net")
    ],
    layout: layout(pair.exchange_a + pair.symbol_a + pair.exchange_b + pair.symbol_b, {
      xaxis: timeAxis({nticks: 5, hoverformat: "%H:%M:%S UTC"}), yaxis: axis({nticks: 4, ticksuffix: " %"})
    })
  };
}

// What would look the same is not drawn again.
function draw(place, figure) {
  var said = JSON.stringify(figure);
  if (place.drawn === said) { return Promise.resolve(); }
  place.drawn = said;
  return Plotly.react(place, figure.data, figure.layout, {displayModeBar: false, responsive: true});
}

// What is far from view is drawn when it comes near; at first, only what is in view.
function near(place) {
  var box = place.getBoundingClientRect();
  return box.top < innerHeight + reach && box.bottom > -reach;
}

// The figure of this name in its place: made once, so that a zoomed chart stays zoomed.
function keep(under, name, kind) {
  var key = under.id + " " + name;
  if (!drawn[key]) {
    var plot = make("div", {class: "plot", role: "img"});
    drawn[key] = {figure: make("figure", {class: kind}, make("figcaption", {}), plot), plot: plot};
  }
  return drawn[key];
}

function purge(plot) { if (window.Plotly) { Plotly.purge(plot); } }

// Only what is there stays, in this order; what is where it belongs is not touched.
function arrange(under, kept) {
  Object.keys(drawn).forEach(function (key) {
    if (drawn[key].figure.parentNode !== under || kept.indexOf(drawn[key]) >= 0) { return; }
    purge(drawn[key].plot);
    drawn[key].figure.remove();
    delete drawn[key];
  });
  kept.forEach(function (each, place) {
    if (under.children[place] !== each.figure) { under.insertBefore(each.figure, under.children[place] || null); }
  });
}

// One chart after the other, so that the page can be used meanwhile.
function drawAll(now) {
  if (!now.metrics.some(function (each) { return each.symbol === chosen; })) {
    chosen = now.metrics.length ? now.metrics[0].symbol : "";
  }
  var all = markets(now).concat(spreads(now));
  tabs(now.metrics);
  keys(now.metrics);
  if (!window.Plotly) { return undefined; }
  var due = all.filter(function (each) { return near(each.plot); });
  return due.reduce(function (before, each) {
    return before.then(function () { return draw(each.plot, each.figure()); }).then(function () {
      return new Promise(function (go) { setTimeout(go, 0); });
    });
  }, Promise.resolve()).then(function () {
    if (root.dataset.ready) { return; }
    root.dataset.ready = String(Math.round(performance.now()));
    reach = NEAR;
    redraw();
  });
}

function redraw() { if (shown) { drawing = drawing.then(function () { return drawAll(shown); }); } }

function markets(now) {
  var charts = byId("charts"), all = [], there = now.metrics.map(function (metrics) {
    var one = keep(charts, metrics.symbol, "chart");
    caption(one, metrics);
    one.figure.classList.toggle("chosen", metrics.symbol === chosen);
    if (narrow.matches && metrics.symbol !== chosen) { return one; }
    all.push({plot: one.plot, figure: function () {
      return marketFigure(metrics, shown.alerts.alerts.filter(function (alert) {
        return alert.symbol === metrics.symbol && wanted(alert);
      }));
    }});
    return one;
  });
  arrange(charts, there);
  var left = filters.symbol ? 0 : now.symbols.length - there.length;
  byId("others").textContent = left > 0 ? "And " + plural(left, "more symbol") + ": choose one above." : there.length ? "" :
    filters.symbol && now.symbols.length ? "There are no trades of " + filters.symbol + " here." : "No trades yet.";
  return all;
}

function caption(one, metrics) {
  var lead = metrics.windows[0], change = metrics.change_1h_pct, venues = Object.keys(metrics.price);
  var unusual = lead ? lead.rows.filter(function (row) { return odd(row, lead); }).length : 0;
  var parts = [make("b", {}, metrics.symbol)], alerts = metrics.anomaly_count_24h;
  function price(venue) { return priced(metrics.price[venue].price); }
  venues.slice(0, 4).forEach(function (venue) {
    parts.push(make("span", {}, venue + " ", make("span", {class: "price"}, price(venue))));
  });
  if (isNumber(change)) { parts.push(make("span", {class: change < 0 ? "down" : "up"}, percent(change) + " in 1 h")); }
  if (alerts) { parts.push(make("span", {class: "number"}, plural(alerts, "alert"))); }
  one.figure.firstChild.replaceChildren.apply(one.figure.firstChild, parts);
  one.plot.setAttribute("aria-label", metrics.symbol + ": price " +
    venues.map(function (venue) { return price(venue) + " on " + venue; }).join(", ") +
    (isNumber(change) ? ", " + percent(change) + " in an hour" : "") + "; " +
    plural(unusual, "minute") + " of the last hour unusual");
}

// Of each asset the two venues that are widest apart; of one that is chosen, all pairs.
function spreads(now) {
  var place = byId("pairs"), all = [], there = [], seen = {};
  now.metrics.forEach(function (metrics) {
    if (seen[metrics.base]) { return; }
    seen[metrics.base] = true;
    metrics.spreads.slice(0, filters.symbol ? 4 : 1).forEach(function (pair) {
      var said = pair.exchange_a + " " + pair.symbol_a + " against " + pair.exchange_b + " " + pair.symbol_b;
      var one = keep(place, said, "pair"), last = pair.rows.filter(function (row) { return row.raw_pct !== null; }).pop();
      var size = last ? percent(last.net_pct === null ? last.raw_pct : last.net_pct, 3) : "–";
      one.figure.firstChild.replaceChildren(
        make("b", {}, metrics.base), make("span", {}, said), make("span", {class: "number"}, size));
      one.plot.setAttribute("aria-label", metrics.base + " spread, " + said + ": now " + size);
      all.push({plot: one.plot, figure: function () { return spreadFigure(pair); }});
      there.push(one);
    });
  });
  arrange(place, there);
  byId("unpaired").hidden = there.length > 0;
  return all;
}

function keys(metrics) {
  var judged = metrics.map(function (each) { return each.windows[0]; }).filter(function (lead) {
    return lead && measureOf(lead) === "measured";
  });
  var said = judged.length && judged[0].measure === "orders" ? "orders a minute" : "volume a minute";
  function key(kind, words) { return make("span", {class: "key " + kind}, words); }
  byId("keys").replaceChildren(key("", "price"), key("measured", judged.length ? said : said + ", not judged yet"),
    judged.length ? key("usual", "usual") : "", judged.length ? key("odd", "unusual") : "", key("hole", "trades missing"));
}

function tabs(metrics) {
  var names = metrics.length < 2 ? [] : metrics.map(function (each) { return each.symbol; });
  renew(byId("tabs"), [names, chosen], function () {
    return names.map(function (name) {
      var tab = make("button", {type: "button", "aria-pressed": String(name === chosen)}, name);
      tab.addEventListener("click", function () {
        chosen = name;
        byId("tabs").querySelectorAll("button").forEach(function (each) {
          each.setAttribute("aria-pressed", String(each === tab));
        });
        byId("tabs").said = JSON.stringify([names, chosen]);
        redraw();
      });
      return tab;
    });
  });
}
