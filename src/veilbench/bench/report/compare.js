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

function numbersOf(section) {
  const found = new Map(), id = section.querySelector(".body").id;
  for (const row of section.querySelectorAll("tr[id]")) {
    const key = row.id.slice(id.length + 1), verdict = key.startsWith("verdict.");
    const part = row.closest("article")?.querySelector("h5, h4")?.textContent ?? "";
    const label = verdict ? `Gain: ${row.cells[0].textContent}` : `${row.closest("article").dataset.part.replaceAll("_", " ")}: ${row.cells[0].textContent}`;
    found.set(key, { label, nodes: verdict ? [...copy(row.cells[1]), " ", ...copy(row.cells[2])] : copy(row.cells[1]), text: read(row.cells[verdict ? 2 : 1]) });
  }
  return found;
}

function apart(one, other) {
  const ends = [one, other].map(({ text }) => INTERVAL.exec(text)).map((m) => m && [m[3] ?? m[1], m[4] ?? m[1]].map(Number));
  return ends[0] && ends[1] && (ends[0][1] < ends[1][0] || ends[1][1] < ends[0][0]);
}

function tableOf(title, names, lines) {
  const table = element("table", element("caption", title)), head = element("tr", ["", ...names, ""].map((name) => element("th", name)));
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
  const differing = [...new Set([...ours.keys(), ...theirs.keys()])].filter((key) => ours.get(key) !== theirs.get(key));
  const result = comparison.querySelector(".result");
  result.replaceChildren(tableOf("Numbers", titles, lines),
    tableOf("Settings that differ", titles, differing.map((key) => [key, ours.get(key) ?? "–", theirs.get(key) ?? "–", ""])));
  prepare(result);
}

if (comparison) {
  comparison.hidden = false;
  comparison.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    compare();
  });
}
