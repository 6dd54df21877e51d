/* Lines typed or scanned one after the other: Enter goes on to the next field instead of sending the page. */
"use strict";

(() => {
  const table = document.querySelector("table.entry");
  if (!table) return;
  const typed = (row) => [...row.querySelectorAll("input:not([readonly], [type=hidden])")];
  const named = (row, name) => row.querySelector(`input[name$="-${name}"]`);
  const rows = () => [...table.tBodies[0].rows];

  /* The same goods once more: one more of them in the line they have already. */
  const addedUp = (row, sku) => {
    const same = rows().find((other) => other !== row && named(other, "sku").value.trim() === sku.value.trim());
    const quantity = same && named(same, "quantity");
    if (!quantity) return false;
    quantity.value = String((Number(quantity.value) || 0) + 1);
    sku.value = "";
    return true;
  };

  table.addEventListener("keydown", (event) => {
    const input = event.target;
    if (event.key !== "Enter" || event.isComposing || input.tagName !== "INPUT") return;
    event.preventDefault();
    const row = input.closest("tr");
    const sku = named(row, "sku");
    if (input === sku) {
      if (!sku.value.trim() || addedUp(row, sku)) return;
      const quantity = named(row, "quantity");
      if (quantity && !quantity.value) quantity.value = "1";
    }
    const fields = rows().flatMap(typed);
    const next = fields[fields.indexOf(input) + 1];
    if (next) {
      next.focus();
      next.select();
    } else {
      table.closest("form").querySelector('button[name="more"]').click();
    }
  });
})();
