/** Style of the viewer, under its own class so that it meets no other page's. */
export const mapStyle = `
.qm { --qm-ground:#ffffff; --qm-ink:#14161a; --qm-dim:#5b6270; --qm-line:#dfe3e8; --qm-panel:#ffffff; --qm-hover:#f1f3f6; --qm-lit:#fff04d; --qm-accent:#0a5f9e;
  position:relative; display:flex; width:100%; height:100%; min-height:320px; overflow:hidden; background:var(--qm-ground); color:var(--qm-ink);
  font:14px/1.4 Inter,system-ui,'Helvetica Neue',Arial,sans-serif; -webkit-text-size-adjust:100%; }
.qm[data-theme=dark] { --qm-ground:#181a1f; --qm-ink:#eceef2; --qm-dim:#a3abb8; --qm-line:#343943; --qm-panel:#1f2228; --qm-hover:#2a2e36; --qm-accent:#7cc4ff; color-scheme:dark; }
.qm *,.qm *::before { box-sizing:border-box; }
.qm-stage { position:relative; flex:1; min-width:0; min-height:0; display:flex; flex-direction:column; }
.qm-view { position:relative; flex:1; min-height:0; overflow:hidden; }
.qm-view canvas { position:absolute; inset:0; }
.qm-bar { display:flex; align-items:center; gap:8px; padding:5px 8px; border-bottom:1px solid var(--qm-line); background:var(--qm-panel); }
.qm canvas { display:block; width:100%; height:100%; touch-action:none; cursor:grab; outline-offset:-3px; }
.qm canvas:active { cursor:grabbing; }
.qm :focus-visible { outline:2px solid var(--qm-accent); outline-offset:1px; }
.qm-panel { display:flex; flex-direction:column; width:320px; flex:none; border-left:1px solid var(--qm-line); background:var(--qm-panel); min-height:0; }
.qm-head { padding:14px 16px 10px; border-bottom:1px solid var(--qm-line); }
.qm-title { margin:0; font-size:17px; font-weight:650; letter-spacing:-.01em; }
.qm-subtitle { margin:2px 0 0; color:var(--qm-dim); font-size:12.5px; }
.qm-search { position:relative; margin-top:10px; }
.qm-search input { width:100%; padding:7px 10px; border:1px solid var(--qm-line); border-radius:8px; background:var(--qm-ground); color:inherit; font:inherit; }
.qm-found { min-height:18px; margin-top:4px; color:var(--qm-dim); font-size:12.5px; }
.qm-tree { position:relative; flex:1; overflow:auto; padding:6px 0 12px; min-height:80px; }
.qm-tree [role=treeitem] { outline:none; cursor:pointer; }
.qm-row { display:flex; gap:8px; align-items:baseline; padding:3px 16px 3px calc(14px + var(--level,0)*14px); }
.qm-row:hover { background:var(--qm-hover); }
.qm-tree [role=treeitem]:focus-visible > .qm-row { outline:2px solid var(--qm-accent); outline-offset:-2px; border-radius:4px; }
.qm-tree [aria-selected=true] > .qm-row { background:var(--qm-hover); font-weight:600; }
.qm-tree [aria-expanded] > .qm-row > .qm-name::before { content:'▸'; content:'▸' / ''; display:inline-block; width:14px; color:var(--qm-dim); }
.qm-tree [aria-expanded=true] > .qm-row > .qm-name::before { content:'▾'; content:'▾' / ''; }
.qm-tree [role=treeitem]:not([aria-expanded]) > .qm-row > .qm-name { padding-left:14px; color:var(--qm-dim); }
.qm-name { padding-left:14px; color:var(--qm-dim); }
.qm-swatch { flex:none; align-self:center; width:11px; height:11px; border-radius:3px; margin-right:-2px; }
.qm-name { flex:1; min-width:0; overflow:hidden; text-overflow:ellipsis; white-space:nowrap; }
.qm-size { color:var(--qm-dim); font-size:12px; font-variant-numeric:tabular-nums; font-weight:400; }
.qm-lit > .qm-row > .qm-name { box-shadow:inset 3px 0 var(--qm-lit); }
.qm-row[data-lit]::after { content:attr(data-lit); background:var(--qm-lit); color:#14161a; border-radius:9px; padding:0 6px; font-size:11.5px; font-weight:600; order:1; }
.qm-info { border-top:1px solid var(--qm-line); padding:10px 16px 14px; max-height:38%; overflow:auto; font-size:13px; }
.qm-info h3 { margin:0 0 3px; font-size:14px; font-weight:620; }
.qm-info p { margin:4px 0; color:var(--qm-dim); overflow-wrap:anywhere; }
.qm-info .qm-place { font-family:ui-monospace,Menlo,Consolas,monospace; font-size:12px; }
.qm-info button { padding:4px 10px; border:1px solid var(--qm-line); border-radius:7px; background:var(--qm-ground); color:var(--qm-accent); font:inherit; cursor:pointer; }
.qm-crumbs { flex:1; min-width:0; display:flex; gap:2px; overflow:hidden; }
.qm-crumbs button { flex:0 1 auto; min-width:28px; overflow:hidden; text-overflow:ellipsis; white-space:nowrap; padding:3px 8px; border:0; border-radius:6px; background:none; color:inherit; font:inherit; font-size:13px; cursor:pointer; }
.qm-crumbs button:hover { background:var(--qm-hover); }
.qm-crumbs button:not(:first-child)::before { content:'›'; margin-right:8px; color:var(--qm-dim); }
.qm-crumbs button:last-child { font-weight:600; }
.qm-tools { display:flex; gap:4px; flex:none; }
.qm-tools button { width:34px; height:30px; border:1px solid var(--qm-line); border-radius:8px; background:var(--qm-ground); color:inherit; font-size:16px; line-height:1; cursor:pointer; }
.qm-tools button:hover { background:var(--qm-hover); }
.qm-panel-toggle { display:none; }
.qm-silent { position:absolute; width:1px; height:1px; overflow:hidden; clip-path:inset(50%); white-space:nowrap; }
@container qm (max-width:720px) {
  .qm-inner { flex-direction:column; }
  .qm-panel { width:100%; max-height:46%; border-left:0; border-top:1px solid var(--qm-line); }
  .qm[data-panel=closed] .qm-panel { display:none; }
  .qm-panel-toggle { display:block !important; }
  .qm-tree { min-height:120px; }
}
.qm-frame { container:qm / inline-size; width:100%; height:100%; }
.qm-inner { display:flex; width:100%; height:100%; }
@media print { .qm-tools,.qm-search { display:none; } }
`;
