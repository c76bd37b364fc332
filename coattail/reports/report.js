(function () {
  "use strict";
  // Our own drawings are there already. Where the browser can inflate plotly.js, those in view become live charts.
  var root = document.documentElement;
  var packed = document.getElementById("plotly");
  if (!packed || !window.DecompressionStream || !window.IntersectionObserver) { return; }
  var charts = [];
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var wanted = [], drawn = [], begun = false, busy = false;

  function colour(name) { return getComputedStyle(root).getPropertyValue("--" + name).trim(); }

  function times(steps) {
    var x = steps.slice(0, 1);
    for (var i = 1; i < steps.length; i += 2) {
      for (var n = 0; n < steps[i + 1]; n++) { x.push(x[x.length - 1] + steps[i]); }
    }
    return x.map(iso);
  }

  function iso(ms) { return new Date(ms).toISOString().slice(0, -1); }

  // Plotly reads a few tags in texts: what comes from outside must not be any.
  function plain(text) { return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); }

  var shapes = {critical: "diamond", high: "triangle-up", medium: "circle", low: "circle", buy: "triangle-up", sell: "triangle-down"};

  function traces(chart) {
    var found = chart.lines.map(function (line) {
      var tint = colour("c" + line.tint % 6);
      return {
        type: "scatter", mode: "lines", name: plain(line.name), x: times(line.x), y: line.y, connectgaps: false,
        line: {color: tint, width: line.filled ? 1 : 1.4, dash: line.faint ? "dot" : "solid"},
        fill: line.filled ? "tozeroy" : "none", hovertemplate: "%{y:,.6~g}<extra>" + plain(line.name) + "</extra>"
      };
    });
    if (chart.bars.length) {
      found.push({
        type: "bar", x: chart.bars.map(function (b) { return iso(b[0] + chart.bar / 2); }),
        y: chart.bars.map(function (b) { return b[1]; }), width: chart.bar * 0.96,
        marker: {color: chart.bars.map(function (b) { return colour("c" + b[2] % 6); })},
        hovertemplate: "%{y:.1f} " + plain(chart.unit) + "<extra></extra>"
      });
    }
    if (chart.candles.length) {
      var up = {line: {color: colour("up"), width: 1}}, down = {line: {color: colour("down"), width: 1}, fillcolor: colour("down")};
      var each = function (place) { return chart.candles.map(function (c) { return c[place]; }); };
      found.push({
        type: "candlestick", x: each(0).map(function (x) { return iso(x + chart.bar / 2); }), open: each(1), high: each(2),
        low: each(3), close: each(4), increasing: up, decreasing: down, name: ""
      });
    }
    Object.keys(shapes).concat("traded").forEach(function (kind) {
      var marks = chart.marks.filter(function (m) { return m[2] === kind || (kind === "traded" && !shapes[m[2]]); });
      if (!marks.length) { return; }
      found.push({
        type: "scatter", mode: "markers", x: marks.map(function (m) { return iso(m[0]); }),
        y: marks.map(function (m) { return m[1]; }), text: marks.map(function (m) { return fold(plain(m[3])); }),
        hovertemplate: "%{text}<extra></extra>",
        marker: {symbol: shapes[kind] || "circle", size: 9, color: colour(kind), line: {color: colour("paper"), width: 1}}
      });
    });
    return found;
  }

  function fold(text) { return text.replace(/(.{40,60}?) /g, "$1<br>"); }

  function layout(chart) {
    var grid = colour("line"), axis = {gridcolor: grid, zerolinecolor: grid, linecolor: grid, fixedrange: false};
    return {
      height: chart.height + 10, margin: {l: 54, r: 4, t: 4, b: 24}, showlegend: false, hovermode: "closest",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: "zoom",
      font: {family: "system-ui, sans-serif", size: 11, color: colour("soft")},
      hoverlabel: {bgcolor: colour("paper"), bordercolor: colour("soft"), font: {color: colour("ink")}, align: "left"},
      xaxis: Object.assign({range: [iso(chart.since), iso(chart.until)], type: "date", rangeslider: {visible: false}}, axis),
      yaxis: Object.assign({range: [chart.low, chart.high], nticks: 5}, axis, {fixedrange: true}),
      shapes: chart.shades.map(function (s) {
        return {
          type: "rect", xref: "x", yref: "paper", x0: iso(s[0]), x1: iso(s[1]), y0: 0, y1: 1, layer: "below",
          fillcolor: colour(s[2]), opacity: 0.35, line: {color: colour(s[2]), width: 1}
        };
      }).concat(chart.baseline === null ? [] : [{
        type: "line", xref: "paper", x0: 0, x1: 1, y0: chart.baseline, y1: chart.baseline,
        line: {color: colour("soft"), width: 1, dash: "dot"}
      }])
    };
  }

  function draw(figure) {
    var chart = charts[Number(figure.dataset.chart)];
    var place = figure.querySelector(".live") || figure.appendChild(document.createElement("div"));
    place.className = "live";
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", chart.alt);
    figure.classList.add("alive");
    return Plotly.newPlot(place, traces(chart), layout(chart), {displayModeBar: false, responsive: true}).catch(function () {
      figure.classList.remove("alive");
    });
  }

  // One after the other, so that the page can be scrolled meanwhile.
  function drawNext() {
    var figure = wanted.shift();
    busy = Boolean(figure);
    if (!figure) { return; }
    drawn.push(figure);
    draw(figure).then(function () {
      root.dataset.charts = String(drawn.length);
      setTimeout(drawNext, 0);
    });
  }

  function start(code) {
    var script = document.createElement("script");
    script.textContent = code;
    document.head.appendChild(script);
    if (window.Plotly) { drawNext(); }
  }

  function inflate(element) {
    var text = atob(element.textContent), bytes = new Uint8Array(text.length);
    for (var i = 0; i < text.length; i++) { bytes[i] = text.charCodeAt(i); }
    element.textContent = "";
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
  }

  function begin() {
    begun = true;
    Promise.all([inflate(document.getElementById("charts")), inflate(packed)]).then(function (texts) {
      charts = JSON.parse(texts[0]);
      start(texts[1]);
    }).catch(function (error) { root.dataset.still = String(error); });
  }

  // Nothing is inflated before somebody comes near a chart: until then the page costs no more than a drawing.
  window.addEventListener("load", function () {
    var seen = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) { return; }
        seen.unobserve(entry.target);
        wanted.push(entry.target);
      });
      if (window.Plotly) {
        if (!busy) { drawNext(); }
      } else if (wanted.length && !begun) { begin(); }
    }, {rootMargin: "500px"});
    document.querySelectorAll("[data-chart]").forEach(function (figure) { seen.observe(figure); });
    dark.addEventListener("change", function () { drawn.forEach(draw); });
  });
})();
