// Filters above the tables of rules. Without scripts the page is the plain list.
(function () {
  "use strict";

  var COLUMNS = { severity: 2, profile: 3, checklist: 4, fix: 5 };

  function words(cell) {
    return cell.textContent.split(",").map(function (word) { return word.trim(); }).filter(Boolean);
  }

  function selection(name, rows) {
    var select = document.createElement("select");
    var found = {};
    rows.forEach(function (row) {
      words(row.cells[COLUMNS[name]]).forEach(function (word) { found[word] = true; });
    });
    select.setAttribute("aria-label", name);
    select.add(new Option("any " + name, ""));
    Object.keys(found).sort().forEach(function (word) { select.add(new Option(word, word)); });
    select.dataset.column = name;
    return select;
  }

  function start() {
    var heads = Array.prototype.slice.call(document.querySelectorAll(".md-typeset h2"));
    var tables = Array.prototype.slice.call(document.querySelectorAll(".md-typeset table"));
    tables = tables.filter(function (table) {
      var cells = table.tHead ? table.tHead.rows[0].cells : [];
      return cells.length === 6 && cells[5].textContent.trim() === "fix";
    });
    if (!tables.length || document.querySelector(".rule-filter")) return;

    var rows = [];
    tables.forEach(function (table) {
      table.classList.add("rule-table");
      rows = rows.concat(Array.prototype.slice.call(table.tBodies[0].rows));
    });
    var form = document.createElement("form");
    form.className = "rule-filter";
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    var input = document.createElement("input");
    input.type = "search";
    input.placeholder = "Words in the name or the description";
    input.setAttribute("aria-label", "words");
    form.append(input);
    var selects = Object.keys(COLUMNS).map(function (name) {
      var select = selection(name, rows);
      form.append(select);
      return select;
    });
    var count = document.createElement("output");
    form.append(count);
    heads[0].before(form);

    function apply() {
      var wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      var shown = 0;
      rows.forEach(function (row) {
        var text = row.textContent.toLowerCase();
        var fits = wanted.every(function (word) { return text.indexOf(word) >= 0; }) &&
          selects.every(function (select) {
            var column = row.cells[COLUMNS[select.dataset.column]];
            return !select.value || words(column).indexOf(select.value) >= 0;
          });
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      tables.forEach(function (table) {
        var none = Array.prototype.every.call(table.tBodies[0].rows, function (row) {
          return row.hidden;
        });
        var block = table.closest(".md-typeset__scrollwrap") || table;
        block.hidden = none;
        var head = block.previousElementSibling;
        if (head && head.tagName === "H2") head.hidden = none;
      });
      count.textContent = shown + " of " + rows.length + " rules";
    }

    form.addEventListener("input", apply);
    apply();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
