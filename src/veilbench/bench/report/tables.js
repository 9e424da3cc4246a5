// Exports a table as CSV: what it shows, with the ends of each interval in columns of their own.
const INTERVAL = /^(-?[\d.]+)( %)?(?: \[(-?[\d.]+), (-?[\d.]+)\])?$/;

function read(cell) {
  const shown = cell.cloneNode(true);
  shown.querySelectorAll(".hear").forEach((node) => node.remove());
  const parts = [...shown.childNodes].map((node) => node.textContent);
  return parts.join(" ").replace(/\u2212/g, "-").replace(/\u202f/g, "").replace(/\s+/g, " ").trim();
}

function split(column) {
  const [head, ...cells] = column;
  const found = cells.map((cell) => INTERVAL.exec(cell));
  if (!found.some((match) => match?.[3])) return [column];
  const share = found.every((match, at) => match?.[2] || !/\d/.test(cells[at])) ? " (%)" : "";
  const value = found.map((match, at) => (match ? match[1] + (share ? "" : match[2] ?? "") : cells[at]));
  const ends = [3, 4].map((place) => found.map((match) => match?.[place] ?? ""));
  return [[head + share, ...value], [`${head} low`, ...ends[0]], [`${head} high`, ...ends[1]]];
}

// A spreadsheet must not take a text for a formula; the same rule as in leaderboard.csv.
const FORMULA = /^'*[=+\-@\t\r]/, NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const quote = (text) => `"${(FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text).replace(/"/g, '""')}"`;

function asCsv(table) {
  const rows = [...table.rows].filter((row) => !row.hidden && !row.matches(".groups")).map((row) => [...row.cells].map(read));
  const columns = rows[0].map((_, at) => rows.map((row) => row[at] ?? "")).flatMap(split);
  return rows.map((_, at) => columns.map((column) => quote(column[at])).join(",") + "\r\n").join("");
}

function nameOf(table) {
  const section = table.closest(".experiment")?.querySelector("h3").textContent;
  const article = table.closest("article")?.dataset.part;
  const title = table.caption?.textContent || table.closest("[aria-label]")?.getAttribute("aria-label") ||
    table.closest("section, article")?.querySelector("h2, h5")?.textContent;
  return [section, article, title].filter(Boolean).join(" ");
}

function download(table) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", asCsv(table)], { type: "text/csv" }));
  link.download = `${nameOf(table).replace(/[^\w.=-]+/g, "-").slice(0, 120)}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function addDownloads(root) {
  for (const table of root.querySelectorAll("table")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "csv";
    button.textContent = "CSV";
    button.addEventListener("click", () => download(table));
    button.title = "Save this table as CSV";
    (table.closest(".scroll") ?? table).after(button);
  }
}
