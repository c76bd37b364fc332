// What is said, and how: elements, numbers and times as the reports say them.

var SEVERITIES = ["low", "medium", "high", "critical"];

function byId(id) { return document.getElementById(id); }

// An element with attributes and what is in it, as text; what is null is left out.
function make(name, attributes) {
  var element = document.createElement(name);
  Object.keys(attributes || {}).forEach(function (key) {
    var value = attributes[key];
    if (value !== null && value !== undefined && value !== false) { element.setAttribute(key, value); }
  });
  for (var i = 2; i < arguments.length; i++) {
    if (arguments[i] !== null && arguments[i] !== undefined) { element.append(arguments[i]); }
  }
  return element;
}

// New children, but only where they would say something else: who reads there with the keyboard keeps the place.
function renew(place, said, build) {
  var key = JSON.stringify(said);
  if (place.said === key) { return; }
  place.said = key;
  place.replaceChildren.apply(place, build());
}

// For plotly.js, which makes markup of the texts it gets.
function harmless(text) { return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); }

function isNumber(value) { return typeof value === "number" && isFinite(value); }

// Making a format takes a millisecond, using it does not.
var FORMATS = {};
function digits(value, places) {
  var form = {minimumFractionDigits: places, maximumFractionDigits: places};
  FORMATS[places] = FORMATS[places] || new Intl.NumberFormat("en-US", form);
  return FORMATS[places].format(value);
}

// 1.53 M, 760 k, 12.3
function short(value) {
  if (!isNumber(value)) { return "–"; }
  var units = [["T", 1e12], ["bn", 1e9], ["M", 1e6], ["k", 1e3]], rounded = Number(value.toPrecision(3));
  for (var i = 0; i < units.length; i++) {
    if (Math.abs(rounded) >= units[i][1]) {
      return Number((rounded / units[i][1]).toPrecision(3)) + " " + units[i][0];
    }
  }
  return String(rounded);
}

// 62,016.2, 150.00, 0.99980
function priced(value) {
  if (!isNumber(value) || value <= 0) { return short(value); }
  return digits(value, Math.min(Math.max(1, 4 - Math.floor(Math.log10(value))), 12));
}

function counted(value) { return isNumber(value) ? digits(value, 0) : "–"; }
function plural(n, one) { return counted(n) + " " + one + (n === 1 ? "" : "s"); }
function spaced(name) { return String(name).replace(/_/g, " "); }

function percent(value, places) {
  if (!isNumber(value)) { return "–"; }
  var said = digits(Math.abs(value), places === undefined ? 2 : places);
  return (Number(said.replace(/,/g, "")) === 0 ? "" : value > 0 ? "+" : "−") + said + " %";
}

function bytes(n) {
  return n < 1e3 ? n + " B" : n < 1e6 ? digits(n / 1e3, 0) + " kB" : digits(n / 1e6, 1) + " MB";
}

function clock(when) { return when ? new Date(when).toISOString().slice(11, 19) : "–"; }
function stamp(when) { return new Date(when).toISOString().slice(0, 19).replace("T", " ") + " UTC"; }

function lasting(s) {
  if (s < 120) { return digits(s, s > 0 && s < 10 ? 1 : 0) + " s"; }
  if (s < 172800) { return s < 7200 ? Math.round(s / 60) + " min" : Math.round(s / 3600) + " h"; }
  return Math.round(s / 86400) + " days";
}

function ago(ms) { return lasting(Math.max(0, Math.round(ms / 1000))).replace(".0 s", " s") + " ago"; }

// Of a message, what stands before its first semicolon that no parenthesis holds.
function firstClause(message) {
  for (var i = 0, depth = 0; i < message.length; i++) {
    depth += message[i] === "(" ? 1 : message[i] === ")" ? -1 : 0;
    if (message[i] === ";" && depth <= 0) { return message.slice(0, i); }
  }
  return message;
}

function rarity(days) {
  if (!isNumber(days) || days <= 0) { return ""; }
  if (days >= 365) { return "less than once a year"; }
  return "once in " + (days >= 2 ? Number(days.toPrecision(2)) + " days" : Number((24 * days).toPrecision(2)) + " hours");
}

function severityKnown(name) { return SEVERITIES.indexOf(name) < 0 ? "low" : name; }
function severity(name, text) { return make("span", {class: "severity " + severityKnown(name)}, text || name); }

function cell(name, content, attributes) { return make("td", Object.assign({"data-name": name}, attributes), content); }

function headed(names, right) {
  var row = make("tr");
  names.forEach(function (name) {
    row.append(make("th", {scope: "col", class: right.indexOf(name) < 0 ? null : "number"}, name));
  });
  return make("thead", {}, row);
}

function listed(pairs) {
  var list = make("dl", {class: "list"});
  pairs.forEach(function (pair) { list.append(make("dt", {}, pair[0]), make("dd", {class: pair[2] || null}, pair[1])); });
  return list;
}
