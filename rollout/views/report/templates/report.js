"use strict";
(() => {
  const byId = (id) => document.getElementById(id);

  // Search: a row is shown if it has every word, is of the node, and is trouble if only that is asked for.
  const rows = [...document.querySelectorAll(".events > li")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const search = () => {
    const words = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    const node = byId("node").value, onlyBad = byId("bad").checked;
    let shown = 0;
    rows.forEach((row, at) => {
      const fits = (!node || row.dataset.node === node) && (!onlyBad || row.classList.contains("trouble"))
        && words.every((word) => texts[at].includes(word));
      row.hidden = !fits;
      shown += fits;
    });
    byId("found").textContent = `${shown} of ${rows.length} events`;
  };
  byId("search").hidden = false;
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("submit", (event) => event.preventDefault());
  search();
  for (const row of document.querySelectorAll("svg .node")) {
    row.addEventListener("click", () => {
      byId("node").value = row.dataset.node;
      search();
      byId("events").scrollIntoView();
      byId("node").focus({preventScroll: true});
    });
  }

  // The cursor: the values of all charts at one moment, by pointer or by arrow keys.
  const readout = byId("readout");
  if (!readout) return;
  const lines = JSON.parse(byId("lines").textContent), segments = JSON.parse(byId("clock").textContent);
  const svg = document.querySelector("#picture svg"), view = svg.viewBox.baseVal;
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("y1", 0);
  cursor.setAttribute("y2", view.height);
  cursor.setAttribute("visibility", "hidden");
  svg.append(cursor);
  const first = segments[0].left, last = segments.at(-1).right;
  let now = first;

  const clock = (x) => {
    const segment = segments.findLast((each) => each.left <= x) || segments[0];
    const share = Math.min(1, (x - segment.left) / (segment.right - segment.left || 1));
    const time = new Date(1000 * (segment.began + share * (segment.last - segment.began) + segment.offset));
    return time.toISOString().slice(11, 19);
  };
  const valueAt = (line, x) => {
    let low = 0, high = line.x.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (line.x[middle] < x) low = middle + 1; else high = middle;
    }
    return low < line.x.length ? line.y[low] : line.y.at(-1);
  };
  const read = (x) => {
    now = Math.min(last, Math.max(first, x));
    cursor.setAttribute("x1", now);
    cursor.setAttribute("x2", now);
    cursor.setAttribute("visibility", "visible");
    const parts = new Map();
    for (const line of lines) {
      const value = valueAt(line, now);
      if (value === undefined) continue;
      const shown = value >= 10 ? Math.round(value) : Math.round(value * 10) / 10;
      parts.set(line.chart, [...(parts.get(line.chart) || []), `${line.name} ${shown}`]);
    }
    readout.textContent = `${clock(now)}: `
      + [...parts].map(([chart, values]) => `${chart.toLowerCase()}: ${values.join(", ")}`).join("; ");
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    read((event.clientX - box.left) * view.width / box.width);
  });
  byId("picture").addEventListener("keydown", (event) => {
    const pace = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (pace) {
      event.preventDefault();
      read(now + pace * (event.shiftKey ? 50 : 5));
      const at = now * svg.getBoundingClientRect().width / view.width, box = event.currentTarget;
      if (at < box.scrollLeft || at > box.scrollLeft + box.clientWidth) box.scrollLeft = at - box.clientWidth / 2;
    } else if (event.key === "Home" || event.key === "End") {
      event.preventDefault();
      read(event.key === "Home" ? first : last);
    }
  });
})();
