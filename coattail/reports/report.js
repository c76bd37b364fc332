(function () {
  "use strict";
  // Drawings are there already. Where the browser can inflate plotly.js, those in view become live charts.
  var root = document.documentElement;
  var packed = document.getElementById("plotly");
  if (!packed || !window.DecompressionStream || !window.IntersectionObserver) { return; }
  var charts = [], colours = {};
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var wanted = [], drawn = [], begun = false, busy = false;

  function colour(name) { return getComputedStyle(root).getPropertyValue("--" + name).trim(); }

  function times(steps) {
    var x = steps.slice(0, 1);
    for (var i = 1; i < steps.length; i += 2) {
      for (var n = 0; n < steps[i + 1]; n++) { x.push(x[x.length - 1] + steps[i]); }
    }
    return x.map(function (ms) { return new Date(ms).toISOString().slice(0, -1); });
  }

  // A copy in the page's own colours, with its times written out.
  function copied(value) {
    if (typeof value === "string") { return colours.hasOwnProperty(value) ? colour(colours[value]) : value; }
    if (Array.isArray(value)) { return value.map(copied); }
    if (value === null || typeof value !== "object") { return value; }
    if (Array.isArray(value.steps)) { return times(value.steps); }
    var copy = {};
    Object.keys(value).forEach(function (key) { copy[key] = copied(value[key]); });
    return copy;
  }

  function dressed(layout) {
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font = Object.assign({size: 11}, layout.font, {family: "system-ui, sans-serif", color: colour("soft")});
    layout.hoverlabel = {bgcolor: colour("paper"), bordercolor: colour("soft"), font: {color: colour("ink")}, align: "left"};
    Object.keys(layout).forEach(function (key) {
      if (/^[xy]axis\d*$/.test(key)) {
        layout[key].gridcolor = layout[key].linecolor = layout[key].zerolinecolor = colour("line");
      }
    });
    ["xaxis", "yaxis"].forEach(function (key) {
      if (!layout[key]) { layout[key] = {gridcolor: colour("line"), zerolinecolor: colour("line")}; }
    });
    delete layout.width;
    return layout;
  }

  function draw(place) {
    var chart = charts[Number(place.dataset.chart)];
    var live = place.querySelector(".live") || place.appendChild(document.createElement("div"));
    live.className = "live";
    live.setAttribute("role", "img");
    live.setAttribute("aria-label", chart.alt);
    place.classList.add("alive");
    var figure = copied(chart.figure);
    return Plotly.newPlot(live, figure.data, dressed(figure.layout), {displayModeBar: false, responsive: true}).catch(function () {
      place.classList.remove("alive");
    });
  }

  // One after the other, so that the page can be scrolled meanwhile.
  function drawNext() {
    var place = wanted.shift();
    busy = Boolean(place);
    if (!place) { return; }
    drawn.push(place);
    draw(place).then(function () {
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
      var read = JSON.parse(texts[0]);
      charts = read.charts;
      colours = read.colours;
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
    document.querySelectorAll("[data-chart]").forEach(function (place) { seen.observe(place); });
    dark.addEventListener("change", function () { drawn.forEach(draw); });
  });
})();
