// Shows all numbers of two rows side by side, and the settings in which they differ.
const comparison = document.querySelector(".compare");

function settingsOf(section) {
  const found = new Map(), path = [];
  for (const line of section.querySelector(".config pre").textContent.split("\n")) {
    const [, indent, key, value] = /^( *)([^\s:-][^:]*):(?: (.*))?$/.exec(line) ?? [];
    if (key === undefined) found.set(path.join("."), `${found.get(path.join(".")) ?? ""} ${line.trim()}`.trim());
    else {
      path.splice(indent.length / 2, Infinity, key);
      found.set(path.join("."), value ?? "");
    }
  }
  return found;
}

// A group that only one of them has, such as an attack, is one line.
function settingsApart(ours, theirs) {
  const lines = new Map();
  for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
    if (ours.get(key) === theirs.get(key) || key.startsWith("digests")) continue;
    const steps = key.split("."), upTo = steps.map((_, at) => steps.slice(0, at + 1).join("."));
    const group = upTo.find((name) => !ours.has(name) || !theirs.has(name)) ?? key;
    lines.set(group, [group, ...[ours, theirs].map((one) => (one.has(group) ? one.get(group) || "…" : "–")), ""]);
  }
  return [...lines.values()];
}

function numbersOf(section) {
  const found = new Map(), id = section.querySelector(".body").id;
  for (const row of section.querySelectorAll("tr[id]")) {
    const [name, value, gain] = row.cells, article = row.closest("article");
    found.set(row.id.slice(id.length + 1), article
      ? { label: `${article.dataset.part.replaceAll("_", " ")}: ${name.textContent}`, nodes: copy(value), text: read(value) }
      : { label: `Gain: ${name.textContent}`, nodes: [...copy(value), " ", ...copy(gain)], text: read(gain) });
  }
  return found;
}

function apart(one, other) {
  const ends = [one, other].map(({ text }) => INTERVAL.exec(text)).map((m) => m && [m[3] ?? m[1], m[4] ?? m[1]].map(Number));
  return ends[0] && ends[1] && (ends[0][1] < ends[1][0] || ends[1][1] < ends[0][0]);
}

function tableOf(title, names, lines) {
  const table = element("table", element("caption", title)), head = element("tr", ["", ...names, ""].map((name) => element(name ? "th" : "td", name)));
  head.querySelectorAll("th").forEach((cell) => (cell.scope = "col"));
  table.append(element("thead", head), element("tbody", lines.map(([label, one, other, mark]) => {
    const first = element("th", label);
    first.scope = "row";
    return element("tr", [first, element("td", one), element("td", other), element("td", mark)]);
  })));
  return element("div", table, "scroll");
}

async function compare() {
  const names = [...new FormData(comparison.querySelector("form")).values()];
  const sections = names.map((name) => document.getElementById(name).closest("details"));
  await Promise.all(sections.map(unpackAll));
  const titles = sections.map((section) => section.querySelector("h3").textContent);
  const [one, other] = sections.map(numbersOf), [ours, theirs] = sections.map(settingsOf), none = { nodes: ["–"], text: "" };
  const lines = [...new Set([...one.keys(), ...other.keys()])].map((key) => {
    const [first, second] = [one.get(key) ?? none, other.get(key) ?? none];
    return [(first.label ?? second.label), first.nodes, second.nodes, apart(first, second) ? "≠" : ""];
  });
  const result = comparison.querySelector(".result");
  result.replaceChildren(tableOf("Numbers", titles, lines),
    tableOf("Settings that differ; … for a group that only one of them has", titles, settingsApart(ours, theirs)));
  prepare(result);
}

if (comparison) {
  comparison.hidden = false;
  comparison.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    compare();
  });
}
