module {
  func.func @main(%arg0: !torch.vtensor<[?,3,16,16],f32>) -> !torch.vtensor<[?,5],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.symbolic_int "s77" {min_val = 0, max_val = 9223372036854775807} : !torch.int
    torch.bind_symbolic_shape %arg0, [%0], affine_map<()[s0] -> (s0, 3, 16, 16)> : !torch.vtensor<[?,3,16,16],f32>
    %int0 = torch.constant.int 0
    %1 = torch.aten.size.int %arg0, %int0 : !torch.vtensor<[?,3,16,16],f32>, !torch.int -> !torch.int
    %2 = torch.vtensor.literal(dense<0.015625> : tensor<8x3x3x3xf32>) : !torch.vtensor<[8,3,3,3],f32>
    %3 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %int2 = torch.constant.int 2
    %int2_0 = torch.constant.int 2
    %4 = torch.prim.ListConstruct %int2, %int2_0 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1 = torch.constant.int 1
    %int1_1 = torch.constant.int 1
    %5 = torch.prim.ListConstruct %int1, %int1_1 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_2 = torch.constant.int 1
    %int1_3 = torch.constant.int 1
    %6 = torch.prim.ListConstruct %int1_2, %int1_3 : (!torch.int, !torch.int) -> !torch.list<int>
    %false = torch.constant.bool false
    %int0_4 = torch.constant.int 0
    %int0_5 = torch.constant.int 0
    %7 = torch.prim.ListConstruct %int0_4, %int0_5 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_6 = torch.constant.int 1
    %8 = torch.aten.convolution %arg0, %2, %3, %4, %5, %6, %false, %7, %int1_6 : !torch.vtensor<[?,3,16,16],f32>, !torch.vtensor<[8,3,3,3],f32>, !torch.vtensor<[8],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.bool, !torch.list<int>, !torch.int -> !torch.vtensor<[?,8,8,8],f32>
    torch.bind_symbolic_shape %8, [%0], affine_map<()[s0] -> (s0, 8, 8, 8)> : !torch.vtensor<[?,8,8,8],f32>
    %9 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %10 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %11 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_3> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %12 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_4> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %float1.000000e-01 = torch.constant.float 1.000000e-01
    %float1.000000e-05 = torch.constant.float 1.000000e-05
    %13:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%8, %9, %10, %11, %12, %float1.000000e-01, %float1.000000e-05) : (!torch.vtensor<[?,8,8,8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[?,8,8,8],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    torch.bind_symbolic_shape %13#0, [%0], affine_map<()[s0] -> (s0, 8, 8, 8)> : !torch.vtensor<[?,8,8,8],f32>
    %14 = torch.aten.relu %13#0 : !torch.vtensor<[?,8,8,8],f32> -> !torch.vtensor<[?,8,8,8],f32>
    torch.bind_symbolic_shape %14, [%0], affine_map<()[s0] -> (s0, 8, 8, 8)> : !torch.vtensor<[?,8,8,8],f32>
    %int2_7 = torch.constant.int 2
    %int2_8 = torch.constant.int 2
    %15 = torch.prim.ListConstruct %int2_7, %int2_8 : (!torch.int, !torch.int) -> !torch.list<int>
    %int2_9 = torch.constant.int 2
    %int2_10 = torch.constant.int 2
    %16 = torch.prim.ListConstruct %int2_9, %int2_10 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_11 = torch.constant.int 0
    %int0_12 = torch.constant.int 0
    %17 = torch.prim.ListConstruct %int0_11, %int0_12 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_13 = torch.constant.int 1
    %int1_14 = torch.constant.int 1
    %18 = torch.prim.ListConstruct %int1_13, %int1_14 : (!torch.int, !torch.int) -> !torch.list<int>
    %false_15 = torch.constant.bool false
    %result0, %result1 = torch.aten.max_pool2d_with_indices %14, %15, %16, %17, %18, %false_15 : !torch.vtensor<[?,8,8,8],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.bool -> !torch.vtensor<[?,8,4,4],f32>, !torch.vtensor<[?,8,4,4],si64>
    torch.bind_symbolic_shape %result0, [%0], affine_map<()[s0] -> (s0, 8, 4, 4)> : !torch.vtensor<[?,8,4,4],f32>
    %19 = torch.vtensor.literal(dense<0.015625> : tensor<8x1x3x3xf32>) : !torch.vtensor<[8,1,3,3],f32>
    %none = torch.constant.none
    %int1_16 = torch.constant.int 1
    %int1_17 = torch.constant.int 1
    %20 = torch.prim.ListConstruct %int1_16, %int1_17 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_18 = torch.constant.int 1
    %int1_19 = torch.constant.int 1
    %21 = torch.prim.ListConstruct %int1_18, %int1_19 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_20 = torch.constant.int 1
    %int1_21 = torch.constant.int 1
    %22 = torch.prim.ListConstruct %int1_20, %int1_21 : (!torch.int, !torch.int) -> !torch.list<int>
    %false_22 = torch.constant.bool false
    %int0_23 = torch.constant.int 0
    %int0_24 = torch.constant.int 0
    %23 = torch.prim.ListConstruct %int0_23, %int0_24 : (!torch.int, !torch.int) -> !torch.list<int>
    %int8 = torch.constant.int 8
    %24 = torch.aten.convolution %result0, %19, %none, %20, %21, %22, %false_22, %23, %int8 : !torch.vtensor<[?,8,4,4],f32>, !torch.vtensor<[8,1,3,3],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.bool, !torch.list<int>, !torch.int -> !torch.vtensor<[?,8,4,4],f32>
    torch.bind_symbolic_shape %24, [%0], affine_map<()[s0] -> (s0, 8, 4, 4)> : !torch.vtensor<[?,8,4,4],f32>
    %25 = torch.aten.sigmoid %24 : !torch.vtensor<[?,8,4,4],f32> -> !torch.vtensor<[?,8,4,4],f32>
    torch.bind_symbolic_shape %25, [%0], affine_map<()[s0] -> (s0, 8, 4, 4)> : !torch.vtensor<[?,8,4,4],f32>
    %26 = torch.aten.mul.Tensor %24, %25 : !torch.vtensor<[?,8,4,4],f32>, !torch.vtensor<[?,8,4,4],f32> -> !torch.vtensor<[?,8,4,4],f32>
    torch.bind_symbolic_shape %26, [%0], affine_map<()[s0] -> (s0, 8, 4, 4)> : !torch.vtensor<[?,8,4,4],f32>
    %27 = torch.vtensor.literal(dense<0.015625> : tensor<8x4x2x2xf32>) : !torch.vtensor<[8,4,2,2],f32>
    %28 = torch.vtensor.literal(dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>) : !torch.vtensor<[4],f32>
    %int2_25 = torch.constant.int 2
    %int2_26 = torch.constant.int 2
    %29 = torch.prim.ListConstruct %int2_25, %int2_26 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_27 = torch.constant.int 0
    %int0_28 = torch.constant.int 0
    %30 = torch.prim.ListConstruct %int0_27, %int0_28 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_29 = torch.constant.int 1
    %int1_30 = torch.constant.int 1
    %31 = torch.prim.ListConstruct %int1_29, %int1_30 : (!torch.int, !torch.int) -> !torch.list<int>
    %true = torch.constant.bool true
    %int0_31 = torch.constant.int 0
    %int0_32 = torch.constant.int 0
    %32 = torch.prim.ListConstruct %int0_31, %int0_32 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_33 = torch.constant.int 1
    %33 = torch.aten.convolution %26, %27, %28, %29, %30, %31, %true, %32, %int1_33 : !torch.vtensor<[?,8,4,4],f32>, !torch.vtensor<[8,4,2,2],f32>, !torch.vtensor<[4],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.bool, !torch.list<int>, !torch.int -> !torch.vtensor<[?,4,8,8],f32>
    torch.bind_symbolic_shape %33, [%0], affine_map<()[s0] -> (s0, 4, 8, 8)> : !torch.vtensor<[?,4,8,8],f32>
    %int-1 = torch.constant.int -1
    %int-2 = torch.constant.int -2
    %34 = torch.prim.ListConstruct %int-1, %int-2 : (!torch.int, !torch.int) -> !torch.list<int>
    %true_34 = torch.constant.bool true
    %none_35 = torch.constant.none
    %35 = torch.aten.mean.dim %33, %34, %true_34, %none_35 : !torch.vtensor<[?,4,8,8],f32>, !torch.list<int>, !torch.bool, !torch.none -> !torch.vtensor<[?,4,1,1],f32>
    torch.bind_symbolic_shape %35, [%0], affine_map<()[s0] -> (s0, 4, 1, 1)> : !torch.vtensor<[?,4,1,1],f32>
    %int4 = torch.constant.int 4
    %36 = torch.prim.ListConstruct %1, %int4 : (!torch.int, !torch.int) -> !torch.list<int>
    %37 = torch.aten.view %35, %36 : !torch.vtensor<[?,4,1,1],f32>, !torch.list<int> -> !torch.vtensor<[?,4],f32>
    torch.bind_symbolic_shape %37, [%0], affine_map<()[s0] -> (s0, 4)> : !torch.vtensor<[?,4],f32>
    %38 = torch.vtensor.literal(dense<0.015625> : tensor<5x4xf32>) : !torch.vtensor<[5,4],f32>
    %int1_36 = torch.constant.int 1
    %int0_37 = torch.constant.int 0
    %39 = torch.prim.ListConstruct %int1_36, %int0_37 : (!torch.int, !torch.int) -> !torch.list<int>
    %40 = torch.aten.permute %38, %39 : !torch.vtensor<[5,4],f32>, !torch.list<int> -> !torch.vtensor<[4,5],f32>
    %41 = torch.vtensor.literal(dense_resource<torch_tensor_5_torch.float32> : tensor<5xf32>) : !torch.vtensor<[5],f32>
    %int1_38 = torch.constant.int 1
    %int1_39 = torch.constant.int 1
    %42 = torch.aten.addmm %41, %37, %40, %int1_38, %int1_39 : !torch.vtensor<[5],f32>, !torch.vtensor<[?,4],f32>, !torch.vtensor<[4,5],f32>, !torch.int, !torch.int -> !torch.vtensor<[?,5],f32>
    torch.bind_symbolic_shape %42, [%0], affine_map<()[s0] -> (s0, 5)> : !torch.vtensor<[?,5],f32>
    return %42 : !torch.vtensor<[?,5],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_8_torch.float32: "0x04000000BC253BBE01E72DBE26FE413E7CF8BBBD202D0EBDC1E752BD51202DBEB3F70ABD",
      torch_tensor_8_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_2: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_3: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_4: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_4_torch.float32: "0x04000000804014BB08C2EBBD443FAD3D90A8BFBD",
      torch_tensor_5_torch.float32: "0x0400000078CDBF3DF4C8633E9C41323E9C1097BE00DE8EBB"
    }
  }
#-}
