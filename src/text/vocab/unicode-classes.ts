/** The class of every code point as tokenizers see it: Unicode 15.0's general categories, folded to eight. Node's own \p{...} follows
 *  whichever Unicode it was built with, which would give other tokens on another Node; llama.cpp's tables are of 15.0. */

export const other = 0;
export const letter = 1;
export const number = 2;
export const space = 3;
export const mark = 4;
export const punctuation = 5;
export const symbol = 6;
export const control = 7;

const codes: Record<string, number> = {
  o: other,
  l: letter,
  n: number,
  s: space,
  m: mark,
  p: punctuation,
  y: symbol,
  c: control,
};

/** Runs of code points from 0 on: a length (1 when left out) and a class. */
const runs = [
  "9c5s18cs3py6py4p10n2p3y2p26l3pypy26lpypy6cs26csp5yp2ylpyc4y2nyl2pynlp3np23ly31ly458l4y12l14y5l7ylyl17y112m5ly2l2",
  "o4lpl4o2ylp3lolo20lo83ly139ly7m166lo38l2ol6p41l2p2o3yo45mpmp2mp2mpm8o27l4o4l2p11o6c3y2py2p2y11mpc3p43l21m10n4p2l",
  "m99lpl7mcy6m2l2my4m2l10n3l2yl14poclm30l27m2o89l11ml14o10n33l9m2ly3pl2om2y22l4ml9ml3ml5m2o15po25l3m2opo11l5o24ly6",
  "lo2c6o8m42l24mc33m54l3ml18ml7m10l2m2p10np16l3mo8l2o2l2o22lo7lol3o4l2oml7m2o2m2o3ml8om4o2lo3l2m2o10n2l2y6n2ylpm2o",
  "3mo6l4o2l2o22lo7lo2lo2lo2l2omo5m4o2m2o3m3om7o4lol7o10n2m3lmp10o3mo9lo3lo22lo7lo2lo5l2oml8mo3mo3m2ol15o2l2m2o10np",
  "y7ol6mo3mo8l2o2l2o22lo7lo2lo5l2oml7m2o2m2o3m7o3m4o2lo3l2m2o10nyl6n10omlo6l3o3lo4l3o2lolo2l3o2l3o3l3o12l4o5m3o3mo",
  "4m2ol6om14o13n8y5o5m8lo3lo23lo16l2oml7mo3mo4m7o2mo3l2ol2o2l2m2o10n7op7nyl3mp8lo3lo23lo10lo5l2oml7mo3mo4m7o2m6o2l",
  "o2l2m2o10no2lm12o4m9lo3lo41l2ml7mo3mo4mly4o3lm7n3l2m2o19ny6lo3mo18l3o24lo9lol2o7l3om4o6momo8m6o10n2o2mp12o48lm2l",
  "7m4oy7l8mp10n2p37o2lolo5lo24lolo10lm2l9ml2o5lolo7mo10n2o4l32ol3y15pyp3y2m6y20nymymym4p2m8lo36l4o20mp2m5l11mo36mo",
  "8ym6yo2y5p4y2p37o43l20ml10n6p6l4m4l3ml3m2l7m3l4m13l12mlm10n4m2y38lol5ol2o43lp333lo4l2o7lolo4l2o41lo4l2o33lo4l2o7",
  "lolo4l2o15lo57lo4l2o67l2o3m9p20n3o16l10y6o86l2o6l2op620lyp17ls26l2p3o75l3p3n8l7o18l4m9o19l3m2p9o18l2m12o13lo3lo2",
  "m12o52l32m3pl3pylm2o10n6o10n6o11p3mcm10n6o89l7o5l2m34lml5o70l10o31lo12m4o12m4oy3o2p10n30l2o5l11o44l4o26l6o11n3o3",
  "4y23l5m2o2p53l10mo29m2om10n6o10n6o7pl6p2o31m49o5m47l17m8l3o10n7p10y9m9y2po3m30l13m2l10n44l14m8o4p36l20m3o5p10n3o",
  "3l10n36l2p9l7o43l2o3l8p8o3mp21m4lm6lm2l3ml5o192l64m278l2o6l2o38l2o6l2o8lolololo31l2o53lo7lyl3y3lo7l3y4l2o6lo3y13",
  "l3y2o3lo7l2yo11s5c24p2s5cs20py13py12ps5co10cnl2o6n3y2pl10n3y2po13l3o33y15o33m15o2yl4yl2y10lyl3y5l6ylylyly4ly11l2",
  "y4l5y5l4yly51n2l5n2y4o376y4p29y2p252y25o11y21o60n78y22n616y14p30n49y2p31y10p403y22p63y4p32y2p374y2o32yo105y229l6",
  "y4l3m2l5o4pn2p38lol5ol2o56l7olp14om23l9o7lo7lo7lo7lo7lo7lo7lo7lo32m47pl32p2y12p34o26yo89y12o214y26o16ys3py2ln10p",
  "2y12py9n6mp5l2y3n2lp2yo86l2o2m2y3lp90lp4l5o43lo94lo2y4n10y32l36y11oy16l31yo10n30y8ny15n32y10n39y15n320y6592l64y2",
  "2157l3o55y9o46l2p269l3p16l10n2l20o47l4mp10mp31l2m70l10n2m6p8o23y9l2y103l2y64l5o2lolo5l24o16lm3lm4lm23l5m4ym3o6n4",
  "y6o52l4p8o2m50l18m8o2p10n6o18m6l3plp2lm10n28l8m2p23l13m11op29l3o4m47l14m13pol10n4o2p5lm10l10n5lo41l14m9o3lm8l2m2",
  "o10n2o4p23l3yl3m50lml3m2l2m5l2mlml24o3l2p11l5m2p3l2m10o6l2o6l2o6l9o7lo7lo43ly14l2y4o115l8mp2m2o10n6o11172l12o23l",
  "4o49l4o8448c366l2o106l38o7l12o5l5olm10ly13lo5lolo2lo2lo108l17y16o363l2p16y64l2o54l7oy32o12l4y16m10p6o16m35po14py",
  "p3yopy2p4o5lo135l2oco3py6py4p10n2p3y2p26l3pypy26lpypy7p89l3o6l2o6l2o6l2o3l3o7yo7y10o3c2y2o12lo26lo19lo2lo15l2o14",
  "l34o123l5o3p4o45n3o9y57n17y2n3yo13y3oy47o45ym130o29l3o49l15om27n4o32l4n9o20ln8ln5o38l5m5o30lop36l4o8lp5n42o158l2",
  "o10n6o36l4o36l4o40l8o52l11op11lo15lo7lo2lo11lo15lo7lo2l67o311l9o22l10o8l24o6lo42lo9l69o6l2olo44lo2l3ol2o23lop8n2",
  "3l2y7n31l8o9n48o19lo2l5o5n22l6n3op26l5op64o56l4o2n2l16n2o46nl3mo2m5o4m4lo3lo29l2o3m4om9n7o9p7o29l2np29l3n32o8ly2",
  "8l2m4o5n7p9o54l3o7p22l2o8n19l5o8n18l7o4p12o7n80o73l55o51l13o51l7o6n36l4m8o10n294o31no42lo2mp2o2l75o3m29l10nl8o22",
  "l11m4n5p22o18l4m4p38o21l7n20o23l9o3m53l15m7p4o30nm2l2ml9o4m45l11m2pc4pm10oc2o25l7o10n6o3m36l14mo10n4pl2ml8o35lm2",
  "pl9o3m48l14m4l4p4mp2m10nlpl3po20n11o18lo25l12m6pm2lm62o7lolo4lo15lo10lp6o47l12m5o10n6o4mo8l2o2l2o22lo7lo2lo5lo2m",
  "l7m2o2m2o3m2ol6om5o5l2m2o7m3o5m139o53l18m4l5p10n2popm3l30o48l20m2lpl8o10n166o47l7m2o9m23p4l2m34o48l17m3pl11o10n6",
  "o13p19o43l13mlp6o10n54o27l2o15m4o12n3py7l185o44l15mp100o64l19n12o8l2ol2o8lo2lo24l6mo2m2o4mlml2m3p9o10n70o8l2o39l",
  "7m2o7mlplm27ol10m40l7ml4m8pm8ol11m46l16m3pl5p13o73l7o10p246o9lo37l8mo8ml5p10o29n3o2p30l2o22mo14m73o7lo2lo38l6m3o",
  "mo2mo7mlm8o10n6o6lo2lo32l5mo2mo5ml7o10n310o19l4m2p7o2mlm13lo34l7m3o5m13p10n86ol15o21n29y13op922l102o111no5p11o19",
  "6l2636o97l2p13o1072l16cm6l15m4010o583l8633o569l7o31lo10n4o2p79lo10n6o30l2o5mp10o48l7m5p4y4lpy10o10no7no21l5o19l6",
  "88o64l23n4p101o75l4oml55m7o4m13l64o2lplm11o2m14o6136l8o1238l42o9l8935o4lo7lo2lo291l15ol29o3l2ol14o4l8o396l2308o1",
  "07l5o13l3o9l7o10l2oy2mp4c4700o46m2o23m9o116y60o246y10o39y2o60y5m3y6m8c8m2y7m30y4m61y21o66y3my122o20n12o20n12o87y",
  "9o25n135o85lo71lo2l2ol2o2l2o4lo12lolo7lo65lo4l2o8lo7lo28lo4lo5lol3o7lo340l2o25ly25ly31ly25ly31ly25ly31ly25ly31ly",
  "25ly8l2o50n512y55m4y50m8ym14ym2y5p15o5mo15m1104o31l6o6l213o7mo17m2o7mo2mo5m5o62l33om112o45l3o7m7l2o10n4oly320o30",
  "lm17o44l4m10n5oy464o28l4m10n742o7lo4lo2lo15lo197l2o9n7m41o68l7ml4o10n4o2p785o59ny3ny4n76o45ny15n194o4lo27lo2lol2",
  "olo10lo4lolol6ol4olololo3lo2lol2olololololo2lol2o4lo7lo4lo4lolo10lo17l5o3lo5lo17l52o2y270o44y4o100y12o15y2o15yo1",
  "5yo37y10o13n161y56o29y13o44y4o9y7o2y14o6y154o984y4o17y3o13y3o119y4o95y6o12y4oy15o12y4o56y8o10y6o40y8o30y2o2y78o3",
  "40y12o14y2o13y3o9y7o46yo7y8o14y4o9y7o9y7o147yo55y37o10n1030o42720l32o4154l6o222l2o5762l14o7473l15o622l2466o542l1",
  "506o4939l5o4192l711761oc30o96c128o240m65040o65534c2o65534c2o",
].join("");

const codePoints = 0x110000;
let table: Uint8Array | undefined;

/** One byte for each code point; decoded at first use. */
export function unicodeClasses(): Uint8Array {
  if (table !== undefined) return table;
  const classes = new Uint8Array(codePoints);
  let from = 0;
  for (const [, length, code] of runs.matchAll(/(\d*)([a-z])/g)) {
    const to = from + (length === "" ? 1 : Number(length));
    classes.fill(codes[code!]!, from, to);
    from = to;
  }
  table = classes;
  return classes;
}
